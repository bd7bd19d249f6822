"""The prompt that a request carries, the same for every provider. Pure.

Known: OpenAI's chat completions, responses, completions and embeddings and their many likes, Anthropic's
messages, Gemini, Ollama, Bedrock's converse and invoke. The URL's path decides, then the body's shape.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pytest_f3dx._llm._blocks import Attachment, Content, ToolUse, as_text, as_value, attachment, read_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt.

    Attributes:
        place: Where it stands in the body, such as ``messages[1]``.
        role: ``system``, ``user``, ``assistant`` or ``tool``, or a provider's own.
        text: Its text blocks, joined by a blank line.
        reasoning: What a model thought before it said so, as an earlier turn carries it.
        attachments: Images and other payloads.
        calls: Tools it calls.
        name: Of the tool whose result it is, or of who speaks; empty if it is not said.
    """

    place: str
    role: str
    text: str = ""
    reasoning: str = ""
    attachments: tuple[Attachment, ...] = ()
    calls: tuple[ToolUse, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a prompt offers.

    Attributes:
        name: Its name; of a tool built into the provider its type.
        description: What it is said to do.
        schema: JSON schema of its arguments, or all that the provider wants to know.
    """

    name: str
    description: str
    schema: object


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a request asks of a model.

    Attributes:
        api: ``chat``, ``responses``, ``completions``, ``embeddings``, ``anthropic``, ``gemini``,
            ``ollama`` or ``bedrock``.
        model: Its name; empty if neither body nor URL names it.
        messages: In order, a system prompt first.
        tools: In order.
        parameters: All other fields of the body, in its order.
    """

    api: str
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    parameters: tuple[tuple[str, object], ...] = ()


_Body = dict[str, Any]
_ROLES = {"model": "assistant", "function": "tool", "ai": "assistant", "human": "user"}
_TOOL_FIELDS = ("tools", "functions", "toolConfig", "tool_config")


def read_prompt(body: bytes, uri: str) -> Prompt | None:
    """Read the prompt of a request.

    Args:
        body: The body of the request, content encoding undone.
        uri: Where it was sent.

    Returns:
        The prompt; None if the request asks nothing of a model, or in a way that is not known.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    path = urlsplit(uri).path
    if not isinstance(value, dict) or not (api := _api(path, value)):
        return None
    fields, messages = _READERS[api](value)
    return Prompt(
        api,
        _model(path, value),
        tuple(messages),
        tuple(tool for name in _TOOL_FIELDS for tool in _tools(value.get(name))),
        tuple((key, one) for key, one in _parameters(value) if key not in {*fields, "model"}),
    )


def _api(path: str, value: _Body) -> str:
    for pattern, api, field in _PATHS:
        if re.search(pattern, path) and any(name in value for name in field.split("|")):
            return api
    return next((api for field, api in _SHAPES if isinstance(value.get(field), list)), "")


def _model(path: str, value: _Body) -> str:
    if isinstance(model := value.get("model", value.get("model_id")), str):
        return model
    named = re.search(r"/(?:models?|deployments)/([^/:]+(?::\d+)?)(?=[:/]|$)", unquote(path))
    return named[1] if named else ""


def _parameters(value: _Body) -> Iterator[tuple[str, object]]:
    """Yield every field; what of a tool configuration is no tool is a parameter too."""
    for key, one in value.items():
        if key in ("toolConfig", "tool_config") and isinstance(one, dict):
            rest = {name: each for name, each in one.items() if name != "tools"}
            if rest:
                yield key, rest
        elif key not in _TOOL_FIELDS:
            yield key, one


# -- messages: each reader returns the fields it has read, and the messages ------------------------------


_Read = tuple[tuple[str, ...], list[Message]]


def _chat(value: _Body) -> _Read:
    return ("messages",), list(_turns(value.get("messages"), "messages"))


def _anthropic(value: _Body) -> _Read:
    system = _system(value.get("system"), "system")
    return ("system", "messages"), [*system, *_turns(value.get("messages"), "messages")]


def _responses(value: _Body) -> _Read:
    system = _system(value.get("instructions"), "instructions")
    given = value.get("input")
    turns = _turns(given, "input") if isinstance(given, list) else _texts(given, "input")
    return ("instructions", "input"), [*system, *turns]


def _completions(value: _Body) -> _Read:
    return ("prompt", "suffix"), [
        *_texts(value.get("prompt"), "prompt"),
        *_texts(value.get("suffix"), "suffix"),
    ]


def _embeddings(value: _Body) -> _Read:
    names = [name for name in ("input", "texts", "prompt", "content", "requests") if name in value]
    return tuple(names), [message for name in names for message in _texts(_gemini_parts(value[name]), name)]


def _gemini(value: _Body) -> _Read:
    fields = ("systemInstruction", "system_instruction", "contents")
    system = [message for name in fields[:2] for message in _system(_gemini_parts(value.get(name)), name)]
    return fields, [*system, *_turns(value.get("contents"), "contents")]


def _ollama(value: _Body) -> _Read:
    system = _system(value.get("system"), "system")
    prompt = list(_texts(value.get("prompt"), "prompt"))
    if prompt and isinstance(images := value.get("images"), list):
        seen = tuple(attachment(image, "") for image in images)
        prompt[0] = Message("prompt", "user", prompt[0].text, attachments=seen)
    fields = ("system", "prompt", "messages", *(("images",) if prompt else ()))
    return fields, [*system, *prompt, *_turns(value.get("messages"), "messages")]


_READERS: dict[str, Callable[[_Body], _Read]] = {
    "chat": _chat,
    "responses": _responses,
    "completions": _completions,
    "embeddings": _embeddings,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "ollama": _ollama,
    "bedrock": _anthropic,  # names of its own, which `_blocks` knows, in Anthropic's order
}
_PATHS = (  # how the path ends, what it is, and a field that the body then has
    (r"/chat/completions$", "chat", "messages"),
    (r"/responses$", "responses", "input|instructions|prompt"),
    (r"/api/(?:chat|generate)$", "ollama", "messages|prompt"),
    (r"/completions$", "completions", "prompt"),
    (
        r"/embed(?:dings?|dings/generate)?$|:(?:batchE|e)mbedContents?$",
        "embeddings",
        "input|texts|prompt|content|requests",
    ),
    (
        r"/messages(?:/count_tokens)?$|/invoke(?:-with-response-stream)?$|:(?:streamR|r)awPredict$",
        "anthropic",
        "messages",
    ),
    (r"/converse(?:-stream)?$", "bedrock", "messages"),
    (r":(?:g|streamG)enerateContent$|:countTokens$", "gemini", "contents"),
    (r"/generate(?:_stream)?$|/text_stream$", "completions", "prompt"),
)
_SHAPES = (("messages", "chat"), ("contents", "gemini"))


def _turns(value: object, field: str) -> Iterator[Message]:
    for index, each in enumerate(value if isinstance(value, list) else ()):
        yield from _turn(each, f"{field}[{index}]")


def _turn(turn: object, place: str) -> Iterator[Message]:
    if not isinstance(turn, dict):
        yield _message(place, "user", read_content(turn))
        return
    if "role" not in turn and turn.get("type", "message") != "message":  # an item of OpenAI's responses
        content = read_content(turn)
        yield from _split(place, "assistant" if content.calls or content.reasoning else "user", content, "")
    else:
        given = turn.get("role", "user")
        content = read_content(turn.get("content", turn.get("parts")))
        _add_fields(turn, content)
        yield from _split(place, _ROLES.get(str(given), str(given)), content, str(turn.get("name", "")))


def _add_fields(turn: _Body, content: Content) -> None:
    """Add what OpenAI's chat and Ollama put beside the content."""
    calls = turn.get("tool_calls")
    for call in [*(calls if isinstance(calls, list) else []), {"function": turn.get("function_call")}]:
        if isinstance(call, dict) and isinstance(function := call.get("function", call.get("custom")), dict):
            arguments = as_value(function.get("arguments", function.get("input")))
            content.calls.append(ToolUse(str(function.get("name", "")), arguments))
    for name in ("reasoning_content", "reasoning", "thinking"):
        if isinstance(turn.get(name), str) and turn[name]:
            content.reasoning.append(turn[name])
    if isinstance(turn.get("refusal"), str):
        content.texts.append(turn["refusal"])
    if isinstance(images := turn.get("images"), list):
        content.attachments.extend(attachment(image, "") for image in images)


def _split(place: str, role: str, content: Content, name: str) -> Iterator[Message]:
    """Yield a message for each result of a tool, then one for what is said beside them."""
    for tool, given in content.results:
        yield _message(place, "tool", given, tool)
    rest = (content.texts, content.reasoning, content.attachments, content.calls)
    if any(rest) or not content.results:
        yield _message(place, role, content, name)


def _message(place: str, role: str, content: Content, name: str = "") -> Message:
    return Message(
        place,
        role,
        "\n\n".join(content.texts),
        "\n\n".join(content.reasoning),
        tuple(content.attachments),
        tuple(content.calls),
        name,
    )


def _system(value: object, place: str) -> Iterator[Message]:
    if value:
        yield _message(place, "system", read_content(value))


def _texts(value: object, place: str) -> Iterator[Message]:
    """Yield a message for a text, or for each of a list of texts; a list of token numbers is one."""
    if isinstance(value, list) and any(not isinstance(one, int) for one in value):
        for index, each in enumerate(value):
            yield _message(f"{place}[{index}]", "user", read_content(_gemini_parts(each)))
    elif value is not None:
        yield Message(place, "user", as_text(value))


def _gemini_parts(value: object) -> object:
    """Take the parts out of the content that Gemini puts around them."""
    inner = value.get("content", value) if isinstance(value, dict) else value
    return inner["parts"] if isinstance(inner, dict) and "parts" in inner else value


# -- tools ---------------------------------------------------------------------------------------------


def _tools(value: object) -> Iterator[Tool]:
    if isinstance(value, dict):
        value = value.get("tools")
    for each in value if isinstance(value, list) else ():
        if isinstance(each, dict):
            yield from map(_tool, _declarations(each))


def _declarations(tool: _Body) -> Iterable[_Body]:
    """Find what declares a function: OpenAI and Bedrock wrap it, Gemini lists several in one tool."""
    for name in ("functionDeclarations", "function_declarations"):
        if isinstance(several := tool.get(name), list):
            return [one for one in several if isinstance(one, dict)]
    for name in ("function", "toolSpec", "custom"):
        if isinstance(one := tool.get(name), dict):
            return [one]
    return [tool]


def _tool(tool: _Body) -> Tool:
    name = tool.get("name") or tool.get("type") or next(iter(tool), "")
    description = tool.get("description", "")
    rest = {key: one for key, one in tool.items() if key not in ("name", "description", "type")}
    return Tool(str(name), as_text(description), rest)
