"""A cassette as the conversation it holds: for a terminal, and for ``git diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_f3dx._llm._answer import assemble
from pytest_f3dx._llm._blocks import as_value
from pytest_f3dx._llm._prompt import read_prompt
from pytest_f3dx._model import header
from pytest_f3dx._render import _facts
from pytest_f3dx._review._bodies import attachment_of, readable
from pytest_f3dx._review._cassettes import interactions
from pytest_f3dx._review._entries import call_text, message_text, shown
from pytest_f3dx._review._model import SAME, Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_f3dx._llm._blocks import Attachment
    from pytest_f3dx._llm._model import Answer, Choice
    from pytest_f3dx._llm._prompt import Message, Prompt, Tool
    from pytest_f3dx._model import Interaction, Request, Response
    from pytest_f3dx._render._layout import Paint
    from pytest_f3dx._review._cassettes import Opened
    from pytest_f3dx._review._model import Blob

_HANG = 14
_ROLES = {"system": "warn", "developer": "warn", "user": "name", "assistant": "good", "tool": "dim"}


class Conversation:
    """Lays a cassette out.

    A ``stable`` one leaves out what changes from recording to recording: times and fingerprints.
    """

    def __init__(self, paint: Paint, named: Callable[[Attachment], Blob], *, stable: bool = False) -> None:
        """Take what is needed.

        Args:
            paint: Width and colour.
            named: Tells what a reader is told of a payload.
            stable: Whether it is for git.
        """
        self._paint = paint
        self._named = named
        self._stable = stable

    def lines(self, cassette: Opened) -> Iterator[str]:
        """Yield the lines of a whole cassette.

        Raises:
            CassetteError: An interaction is damaged.
        """
        if cassette.test:
            yield self._paint.style("bold", cassette.test)
        for name in ("ignore", "match_headers"):
            if values := getattr(cassette, name):
                yield from self._block(name, ", ".join(values))
        for regex, placeholder in cassette.replace:
            yield from self._block("replace", f"{regex} → {placeholder}")
        for each in interactions(cassette):
            yield ""
            yield from self._interaction(each)

    def _interaction(self, interaction: Interaction) -> Iterator[str]:
        request = interaction.request
        yield self._paint.style("name", f"{request.method} {request.uri}")
        if not self._stable:
            yield self._paint.style("dim", f"{interaction.fingerprint[:19]}…")
        prompt = read_prompt(request.body, request.uri)
        yield from self._prompt(prompt) if prompt else self._request(request)
        for number, response in enumerate(interaction.responses, 1):
            several = len(interaction.responses) > 1
            yield from self._response(response, request.uri, f"answer {number}" if several else "")

    # -- requests ------------------------------------------------------------------------------

    def _prompt(self, prompt: Prompt) -> Iterator[str]:
        parameters = [f"{name}={shown(value)}" for name, value in prompt.parameters]
        if prompt.model:
            yield from self._block("model", prompt.model)
        if parameters:
            yield from self._block(
                "parameters", "\n".join(parameters) if self._stable else ", ".join(parameters)
            )
        for tool in prompt.tools:
            yield from self._tool(tool)
        for message in prompt.messages:
            yield from self._message(message)

    def _tool(self, tool: Tool) -> Iterator[str]:
        text = tool.name + (f": {tool.description}" if tool.description else "")
        if self._stable and tool.schema:
            text += "\n" + shown(tool.schema, indent=2)
        yield from self._block("offers", text)

    def _message(self, message: Message) -> Iterator[str]:
        label = f"{message.role} {message.name}" if message.name else message.role
        text = message_text(message)
        if text or not message.attachments:
            yield from self._block(label, text, _ROLES.get(message.role, "dim"))
        for each in message.attachments:
            yield from self._block("" if text else label, self._blob(each))

    def _request(self, request: Request) -> Iterator[str]:
        if request.body:
            kind = header(request.headers, "content-type") or ""
            yield from self._body("body", request.body, kind)

    # -- answers -------------------------------------------------------------------------------

    def _response(self, response: Response, uri: str, label: str) -> Iterator[str]:
        if label:
            yield self._paint.style("dim", f"-- {label}")
        if response.failure:
            yield from self._block("error", f"{response.failure.kind}: {response.failure.message}", "bad")
            return
        kind = header(response.headers, "content-type") or ""
        answer = assemble(response.body, kind, uri)
        good = response.status < 400  # noqa: PLR2004 - client and server errors start there
        if not answer or not good:
            yield from self._block(
                "status", f"{response.status} {response.reason}".strip(), "dim" if good else "bad"
            )
        if answer and (answer.choices or answer.error):
            yield from self._answer(answer)
        elif response.body:
            yield from self._body("body", response.body, kind)
        yield from self._facts(answer, response)

    def _answer(self, answer: Answer) -> Iterator[str]:
        for choice in answer.choices:
            yield from self._choice(choice)
        if answer.error:
            yield from self._block("error", answer.error, "bad")

    def _choice(self, choice: Choice) -> Iterator[str]:
        said = [f"(thinking) {choice.reasoning}"] if choice.reasoning else []
        said += [text for text in (choice.text, choice.refusal) if text]
        said += [call_text(call.name, as_value(call.arguments)) for call in choice.tool_calls]
        yield from self._block("assistant", "\n".join(said), "good")

    def _facts(self, answer: Answer | None, response: Response) -> Iterator[str]:
        facts = [choice.finish for choice in answer.choices if choice.finish] if answer else []
        if answer and answer.usage:
            used = answer.usage
            facts.append(
                _facts.tokens(used.input_tokens, used.input_tokens, used.output_tokens, used.output_tokens)
            )
        if response.took_ms is not None and not self._stable:
            facts.append(f"{response.took_ms} ms")
        if text := "; ".join(fact for fact in facts if fact):
            yield from self._block("", f"[{text}]" if facts else "")

    def _body(self, label: str, body: bytes, kind: str) -> Iterator[str]:
        text = readable(body)
        if text is None:
            text = self._blob(attachment_of(body, kind))
        yield from self._block(label, text)

    def _block(self, label: str, text: str, style: str = "dim") -> Iterator[str]:
        if len(label) >= _HANG:
            yield f"  {self._paint.style(style, label)}"
            label = ""
        yield from self._paint.block(label, [Piece(SAME, text)], indent=2, hang=_HANG, style=style)

    def _blob(self, attachment: Attachment) -> str:
        blob = self._named(attachment)
        return f"[{_facts.blob_name(blob) if self._stable else _facts.blob(blob)}]"
