"""Places that differ and that no entry about a prompt or an answer shows: nothing is lost. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_f3dx._review._model import CHANGED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_f3dx._model import Change
    from pytest_f3dx._review._model import Entry

_NAME = re.compile(r"[A-Za-z_]\w*")
_SHOWN = set(
    "candidates choices content done_reason error finishReason finish_reason index message model modelVersion"
    " name output parts reasoning reasoningContent reasoning_content refusal response role status stopReason"
    " stop_reason summary text thinking type".split()
)  # last names of places that the entries about an answer show
_PAYLOADS = set(
    "b64_json bytes data encrypted_content file_data file_id file_url fileUri format image image_url images"
    " input_audio inlineData media_type mimeType tool_call_id tool_use_id url".split()
)  # last names of places that the payloads of a message show
_CALLS = set("arguments args functionCall function_call input tool_calls toolUse".split())


def left_of_prompt(changes: Iterable[Change], told: list[Entry]) -> list[Change]:
    """Return the places that no entry about the prompt has told of, such as a marker for a cache."""
    moved = {one.label.partition("[")[0] for one in told if one.part == "message" and one.kind != CHANGED}
    messages = {one.label for one in told if one.part == "message"}
    whole = {one.label for one in told if one.part in ("parameter", "model")}
    if any(one.part == "tool" for one in told):
        whole |= {"tools", "functions", "toolConfig", "tool_config"}
    return [one for one in changes if not _is_told(one.path, whole | moved, messages)]


def _is_told(path: str, whole: set[str], messages: set[str]) -> bool:
    names = _NAME.findall(path)
    if not names or names[0] in whole:
        return bool(names)
    place = path.removeprefix("$.").partition("]")[0]
    is_message = f"{place}]" in messages or names[0] in messages
    return is_message and (names[-1] in _SHOWN | _PAYLOADS or bool(_CALLS & set(names)))


def is_left_of_answer(change: Change, *, is_answer: bool) -> bool:
    """Whether a place decides, and no entry about an answer shows it, such as a citation."""
    if change.severity == "info" or not change.path.startswith("$"):
        return False
    names = _NAME.findall(change.path)
    return not (is_answer and names and (names[-1] in _SHOWN or _CALLS & set(names)))
