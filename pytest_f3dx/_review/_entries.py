"""What changed in a prompt and in an answer, thing by thing. Pure."""

from __future__ import annotations

import json
from collections import Counter
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TYPE_CHECKING

from pytest_f3dx._llm._blocks import as_value
from pytest_f3dx._llm._model import Answer, Choice
from pytest_f3dx._llm._prompt import Message, Prompt, Tool
from pytest_f3dx._review._model import ADDED, CHANGED, REMOVED, Blob, Entry, Piece
from pytest_f3dx._review._pieces import changed, pieces, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_f3dx._llm._blocks import Attachment

    Named = Callable[[Attachment], Blob]

_NO_PROMPT = Prompt("", "", ())
_NO_ANSWER = Answer("", "", (), None, None)
_NO_CHOICE = Choice()


def entry(part: str, label: str, old: str | None, new: str | None, *, by_word: bool = True) -> Entry | None:
    """Compare two texts.

    Args:
        part: As `Entry` has it.
        label: Likewise.
        old: None, or empty, if there was none.
        new: None, or empty, if there is none.
        by_word: Whether it is prose, and not one value.

    Returns:
        None if they are equal.
    """
    was, now = old or "", new or ""
    if was == now:
        return None
    if not was:
        return Entry(part, label, ADDED, whole(now, ADDED))
    if not now:
        return Entry(part, label, REMOVED, whole(was, REMOVED))
    return Entry(part, label, CHANGED, pieces(was, now) if by_word else changed(was, now))


# -- prompts -------------------------------------------------------------------------------------------


def prompt_entries(old: Prompt | None, new: Prompt | None, named_old: Named, named: Named) -> list[Entry]:
    """Compare two prompts.

    Args:
        old: None if there was none.
        new: None if there is none.
        named_old: Tells what a reader is told of a payload that is gone.
        named: Likewise of one that came.

    Returns:
        Model, parameters, tools, then messages in order.
    """
    was, now = old or _NO_PROMPT, new or _NO_PROMPT
    found = [entry("model", "model", was.model, now.model, by_word=False)]
    found += _parameter_entries(dict(was.parameters), dict(now.parameters))
    found += _tool_entries(was.tools, now.tools)
    for before, after in _changed_messages(was.messages, now.messages):
        found.append(_message_entry(before, after, named_old, named))
    return [one for one in found if one]


def message_text(message: Message) -> str:
    """Return all that a message says, for a reader: reasoning, text, tool calls."""
    said = [f"(thinking) {message.reasoning}"] if message.reasoning else []
    said += [message.text] if message.text else []
    said += [call_text(call.name, call.arguments) for call in message.calls]
    return "\n".join(said)


def call_text(name: str, arguments: object) -> str:
    """Return a tool call for a reader, its arguments in one spelling."""
    if arguments in (None, "", {}):
        return f"{name}()"
    return f"{name}({shown(arguments)})"


def shown(value: object, *, indent: int | None = None) -> str:
    """Return a JSON value for a reader; text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=indent)


def _parameter_entries(old: dict[str, object], new: dict[str, object]) -> Iterator[Entry | None]:
    for name in [*old, *(name for name in new if name not in old)]:
        was, now = (_parameter(fields[name]) if name in fields else None for fields in (old, new))
        by_word = any(isinstance(fields.get(name), (dict, list)) for fields in (old, new))
        yield entry("parameter", name, was, now, by_word=by_word)


def _parameter(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else json.dumps(value, ensure_ascii=False, indent=2)  # noqa: PLR2004 - a line


def _tool_entries(old: Sequence[Tool], new: Sequence[Tool]) -> Iterator[Entry | None]:
    was, now = ({tool.name: _tool_text(tool) for tool in tools} for tools in (old, new))
    for name in [*was, *(name for name in now if name not in was)]:
        yield entry("tool", name, was.get(name), now.get(name))


def _tool_text(tool: Tool) -> str:
    schema = shown(tool.schema, indent=2) if tool.schema else ""
    return "\n".join(text for text in (tool.description, schema) if text) or tool.name


def _changed_messages(
    old: Sequence[Message], new: Sequence[Message]
) -> Iterator[tuple[Message | None, Message | None]]:
    keys, others = [_key(one) for one in old], [_key(one) for one in new]
    for op, i1, i2, j1, j2 in SequenceMatcher(None, keys, others, autojunk=False).get_opcodes():
        if op != "equal":
            yield from _by_role(old[i1:i2], new[j1:j2])


def _key(message: Message) -> tuple[object, ...]:
    seen = tuple((one.digest, one.url) for one in message.attachments)
    return message.role, message.name, message_text(message), seen


def _by_role(
    old: Sequence[Message], new: Sequence[Message]
) -> Iterator[tuple[Message | None, Message | None]]:
    """Pair the messages of a changed stretch: those of one role, in order."""
    matcher = SequenceMatcher(None, [one.role for one in old], [one.role for one in new], autojunk=False)
    for op, i1, i2, j1, j2 in matcher.get_opcodes():
        if op == "equal":
            yield from zip(old[i1:i2], new[j1:j2], strict=True)
        else:
            yield from ((was, None) for was in old[i1:i2])
            yield from ((None, now) for now in new[j1:j2])


def _message_entry(old: Message | None, new: Message | None, named_old: Named, named: Named) -> Entry:
    one = new or old
    assert one
    gone = _difference(old, new)
    came = _difference(new, old)
    texts = (message_text(each) if each else None for each in (old, new))
    made = entry("message", one.place, *texts)
    kind = CHANGED if old and new else ADDED if new else REMOVED
    text = made.pieces if made else _unchanged_text(new)
    role = f"{one.role} ({one.name})" if one.name else one.role
    if old and new and (old.role, old.name) != (new.role, new.name):
        role = f"{old.role} → {role}"
    blobs = tuple(map(named_old, gone)), tuple(map(named, came))
    return Entry("message", one.place, kind, text, role, *blobs)


def _unchanged_text(message: Message | None) -> tuple[Piece, ...]:
    return (Piece("same", message_text(message)),) if message and message_text(message) else ()


def _difference(one: Message | None, other: Message | None) -> list[Attachment]:
    """Return the payloads that only the first message has."""
    left = Counter((each.digest, each.url) for each in (other.attachments if other else ()))
    found = []
    for each in one.attachments if one else ():
        if left[each.digest, each.url]:
            left[each.digest, each.url] -= 1
        else:
            found.append(each)
    return found


# -- answers -------------------------------------------------------------------------------------------


def answer_entries(old: Answer | None, new: Answer | None, label: str = "") -> list[Entry]:
    """Compare two answers.

    Args:
        old: None if there was none.
        new: None if there is none.
        label: Which answer, if there are several.

    Returns:
        For each choice reasoning, text, refusal, tool calls and why it ended; then an error and the model.
    """
    was, now = old or _NO_ANSWER, new or _NO_ANSWER
    found: list[Entry | None] = []
    choices = list(zip_longest(was.choices, now.choices, fillvalue=_NO_CHOICE))
    for number, (one, other) in enumerate(choices, 1):
        which = f"choice {number}" if len(choices) > 1 else ""
        found += _choice_entries(one, other, ", ".join(part for part in (label, which) if part))
    found.append(entry("error", label, was.error, now.error))
    if was.model and now.model:
        found.append(entry("model", "answered by", was.model, now.model, by_word=False))
    return [one for one in found if one]


def _choice_entries(old: Choice, new: Choice, label: str) -> Iterator[Entry | None]:
    yield entry("reasoning", label, old.reasoning, new.reasoning)
    yield entry("text", label, old.text, new.text)
    yield entry("refusal", label, old.refusal, new.refusal)
    ours, theirs = (
        [call_text(call.name, as_value(call.arguments)) for call in one.tool_calls] for one in (old, new)
    )
    for op, i1, i2, j1, j2 in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if op != "equal":
            for was, now in zip_longest(ours[i1:i2], theirs[j1:j2]):
                yield entry("tool call", label, was, now)
    yield entry("finish", label, old.finish, new.finish, by_word=False)
