"""The content of a message, whatever provider's blocks it is made of. Pure.

Providers differ in names, not in kinds: text, reasoning, a payload, a tool call, a tool's result. One reader
for all of them also reads what gateways mix. A block of no known kind is shown as its JSON: nothing is lost.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Any

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),(.*)", re.DOTALL)
_REASONING = ("thinking", "reasoning", "summary")
_TEXT_TYPES = {"text", "input_text", "output_text", "summary_text", "reasoning_text", "refusal"}
_FORMATS = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
}
_FORMATS |= {"wav": "audio/wav", "mp3": "audio/mpeg", "pdf": "application/pdf", "mp4": "video/mp4"}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A payload in a message: an image, a recording, a document.

    Attributes:
        media: Its media type; empty if the message does not say.
        size_bytes: Decoded; 0 if it is only linked to.
        digest: BLAKE3 of the decoded bytes, 64 hex digits; empty if it is only linked to.
        url: Where it is, or the provider's name for it; empty if it stands in the message.
        data: The decoded bytes.
    """

    media: str
    size_bytes: int = 0
    digest: str = ""
    url: str = ""
    data: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of a tool in a message.

    Attributes:
        name: Of the tool.
        arguments: A JSON value; text that is no JSON as it is.
    """

    name: str
    arguments: object


@dataclass(slots=True)
class Content:
    """What the blocks of one message say.

    Attributes:
        texts: In order, one for each block.
        reasoning: Likewise.
        attachments: Payloads in order.
        calls: Tool calls in order.
        results: What tools gave: (name if it is known, what they gave), in order.
    """

    texts: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    calls: list[ToolUse] = field(default_factory=list)
    results: list[tuple[str, Content]] = field(default_factory=list)


def read_content(value: object) -> Content:
    """Read the content of a message.

    Args:
        value: Text, a block or a list of blocks, as a request's JSON has it.
    """
    found = Content()
    for block in value if isinstance(value, list) else [value]:
        _read(block, found)
    return found


def attachment(data: object, media: str) -> Attachment:
    """Read a payload that is given as base64, or as a URL of any kind.

    Args:
        data: Text of the payload; anything else is shown as its JSON.
        media: What it is declared as; a data URL's own type wins.
    """
    text = data if isinstance(data, str) else as_text(data)
    if matched := _DATA_URL.fullmatch(text):
        media = matched[1] or media
        text = matched[3] if ";base64" in matched[2] else base64.b64encode(matched[3].encode()).decode()
    elif re.match(r"[a-z][a-z0-9+.-]*://", text):
        return Attachment(media, url=text)
    try:
        digits = re.sub(r"\s", "", text).rstrip("=").replace("-", "+").replace("_", "/")
        payload = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):
        return Attachment(media, url=text)
    from blake3 import blake3

    return Attachment(media, len(payload), blake3(payload).hexdigest(), data=payload)


def as_text(value: object) -> str:
    """Spell a JSON value for a reader: text as it is, all else as one line of JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_value(text: object) -> object:
    """Return what a string of JSON says, such as the arguments of a tool call; all else as it is."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _read(block: object, found: Content) -> None:
    if block is None:
        return
    if not isinstance(block, dict):
        found.texts.append(as_text(block))
        return
    if not any(reader(block, found) for reader in (_read_text, _read_payload, _read_tool)):
        found.texts.append(as_text(block))


def _read_text(block: dict[str, Any], found: Content) -> bool:
    kind = str(block.get("type", ""))
    if (
        kind in (*_REASONING, "redacted_thinking")
        or block.get("thought") is True
        or "reasoningContent" in block
    ):
        found.reasoning.append(_reasoning(block))
        return True
    if isinstance(block.get("guardContent"), dict):
        _read(block["guardContent"].get("text", block["guardContent"]), found)
        return True
    if kind in _TEXT_TYPES or "type" not in block:
        text = block.get("text", block.get("refusal"))
        if isinstance(text, str):
            found.texts.append(text)
            return True
    return False


def _reasoning(block: dict[str, Any]) -> str:
    for name in (*_REASONING, "text"):
        if isinstance(block.get(name), str):
            return str(block[name])
    inner = block.get("summary") or block.get("content") or block.get("reasoningContent")
    if isinstance(inner, list):
        return "\n".join(text for one in inner for text in read_content(one).texts)
    if isinstance(inner, dict) and isinstance(inner.get("reasoningText"), dict):
        return as_text(inner["reasoningText"].get("text", ""))
    return "(encrypted)"  # reasoning that only the provider reads


def _read_payload(block: dict[str, Any], found: Content) -> bool:
    for name, reader in _PAYLOADS.items():
        if isinstance(value := block.get(name), (dict, str)):
            found.attachments.append(reader(value, block))
            return True
    return False


def _image_url(value: Any, _: dict[str, Any]) -> Attachment:  # noqa: ANN401 (JSON)
    return attachment(value.get("url", "") if isinstance(value, dict) else value, "")


def _openai_audio(value: Any, _: dict[str, Any]) -> Attachment:  # noqa: ANN401
    fields = value if isinstance(value, dict) else {"data": value}
    return attachment(fields.get("data", ""), _FORMATS.get(str(fields.get("format")), ""))


def _openai_file(value: Any, block: dict[str, Any]) -> Attachment:  # noqa: ANN401
    fields = value if isinstance(value, dict) else block
    if "file_data" in fields:
        return attachment(fields["file_data"], "")
    return Attachment("", url=as_text(fields.get("file_id", fields.get("file_url", fields))))


def _source(value: Any, block: dict[str, Any]) -> Attachment:  # noqa: ANN401
    """Read Anthropic's ``source``, and Bedrock's below ``image`` or ``document``."""
    fields = value if isinstance(value, dict) else {"url": value}
    media = str(fields.get("media_type") or _FORMATS.get(str(block.get("format")), ""))
    for name in ("data", "bytes"):
        if name in fields:
            if fields.get("type") == "text":
                return attachment("data:text/plain," + as_text(fields[name]), media)
            return attachment(fields[name], media)
    return Attachment(media, url=as_text(fields.get("url", fields.get("file_id", fields))))


def _bedrock(value: Any, _: dict[str, Any]) -> Attachment:  # noqa: ANN401
    fields = value if isinstance(value, dict) else {"source": value}
    return _source(fields.get("source", fields), fields)


def _gemini(value: Any, _: dict[str, Any]) -> Attachment:  # noqa: ANN401
    fields = value if isinstance(value, dict) else {"data": value}
    media = as_text(fields.get("mimeType", fields.get("mime_type", "")))
    if "data" in fields:
        return attachment(fields["data"], media)
    return Attachment(media, url=as_text(fields.get("fileUri", fields.get("file_uri", fields))))


_PAYLOADS = {
    "image_url": _image_url,
    "input_audio": _openai_audio,
    "file": _openai_file,
    "file_data": _openai_file,
    "file_id": _openai_file,
    "file_url": _openai_file,
    "source": _source,
    "inlineData": _gemini,
    "inline_data": _gemini,
    "fileData": _gemini,
    "image": _bedrock,
    "document": _bedrock,
    "video": _bedrock,
}


def _read_tool(block: dict[str, Any], found: Content) -> bool:
    kind = str(block.get("type", ""))
    if kind.endswith("tool_use") or kind in ("function_call", "mcp_call", "custom_tool_call"):
        arguments = block.get("input", block.get("arguments"))
        found.calls.append(ToolUse(str(block.get("name", "")), as_value(arguments)))
        return True
    if kind.endswith(("tool_result", "_call_output")):
        found.results.append((str(block.get("name", "")), read_content(_result(block))))
        return True
    for name, arguments in (("functionCall", "args"), ("function_call", "args"), ("toolUse", "input")):
        if isinstance(call := block.get(name), dict):
            found.calls.append(ToolUse(str(call.get("name", "")), call.get(arguments)))
            return True
    for name, given in (
        ("functionResponse", "response"),
        ("function_response", "response"),
        ("toolResult", "content"),
    ):
        if isinstance(result := block.get(name), dict):
            found.results.append((str(result.get("name", "")), read_content(_unwrapped(result.get(given)))))
            return True
    return False


def _result(block: dict[str, Any]) -> object:
    return block.get("content", block.get("output"))


def _unwrapped(value: object) -> object:
    """Take what a tool gave out of the mapping that Bedrock and Gemini put around it."""
    if isinstance(value, list):
        return [one["json"] if isinstance(one, dict) and set(one) == {"json"} else one for one in value]
    if isinstance(value, dict) and len(value) == 1:
        return next((value[key] for key in ("result", "output", "error") if key in value), value)
    return value
