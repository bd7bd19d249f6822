"""Whether two recordings of a test say the same, but for what changes with every recording.

Ids come back in later requests, so this is decided for the whole cassette: two recordings are the
same when they are equal under one consistent renaming of ids, leaving out clocks and timings. An id
is learned only where a field says that it is one (``id``, ``call_id``, ``system_fingerprint``…);
anywhere else only a learned id may differ, so a changed number in an answer is a change.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pytest_f3dx._model import Cassette, Headers, Interaction, Response

_CLOCKS = re.compile(
    r"(?i)^(created|created_at|createtime|completed_at|expires_at|updated_at|timestamp|"
    r"(total|load|prompt_eval|eval)_duration|(queue|prompt|completion|total)_time|response_ms|latency(ms|_ms)?)$"
)
_ID_FIELDS = re.compile(
    r"^(?i:id|ids|uid|uuid|guid|system_fingerprint|etag|x-request-id)$|(?i:[_-]ids?)$|[a-z]Ids?$"
)
# One random-looking word: an optional prefix such as `chatcmpl-` or `call_`, then 8 or more
# characters with a digit among them; also a UUID.
_ID = re.compile(r"^((?:[A-Za-z]+[-_])*)(?=[A-Za-z0-9-]*\d)([A-Za-z0-9]{8,}|[0-9a-fA-F-]{32,36})$")
_WORD = re.compile(r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*")


def are_ids(key: str, old: str, new: str) -> bool:
    """Whether a field says that it holds an id, and two values of it can be one id under its two names."""
    was, now = _ID.match(old), _ID.match(new)
    same_kind = was and now and was.group(1) == now.group(1) and len(old) == len(new)
    return bool(same_kind and _ID_FIELDS.search(key))


class _Renaming:
    """A one-to-one renaming of ids, learned while two recordings are walked in step."""

    def __init__(self) -> None:
        self._forth: dict[str, str] = {}
        self._back: dict[str, str] = {}

    def learns(self, old: str, new: str) -> bool:
        """Whether two lone values are equal or can be one id under its two names."""
        if old == new:
            return self._forth.get(old, old) == new and self._back.get(new, new) == old
        was, now = _ID.match(old), _ID.match(new)
        if not was or not now or was.group(1) != now.group(1) or len(old) != len(new):
            return False
        if self._forth.get(old, new) != new or self._back.get(new, old) != old:
            return False
        self._forth[old], self._back[new] = new, old
        return True

    def reads(self, old: str, new: str) -> bool:
        """Whether two texts are equal once learned ids are renamed."""
        return old == new or _WORD.sub(lambda m: self._forth.get(m.group(), m.group()), old) == new

    def same(self, old: Any, new: Any, key: str = "") -> bool:  # noqa: ANN401 (any JSON value)
        """Whether two JSON values are the same; ``key`` is the field they stand in."""
        if type(old) is not type(new):
            return False
        if isinstance(old, dict):
            return list(old) == list(new) and all(
                is_clock(name, old[name]) or self.same(old[name], new[name], name) for name in old
            )
        if isinstance(old, list):
            return len(old) == len(new) and all(self.same(a, b, key) for a, b in zip(old, new, strict=True))
        if isinstance(old, str):
            return self._same_string(old, new, key)
        return bool(old == new)

    def _same_string(self, old: str, new: str, key: str) -> bool:
        is_id = _ID_FIELDS.search(key) and self.learns(old, new)
        return bool(is_id) or self.reads(old, new) or self._same_text(old, new)

    def _same_text(self, old: str, new: str) -> bool:
        """Whether two strings are the same JSON, such as the arguments of a tool call."""
        return old[:1] in "{[" and self._same_json(old, new)

    def _same_json(self, old: str, new: str) -> bool:
        try:
            values = json.loads(old), json.loads(new)
        except (ValueError, RecursionError):
            return False
        return isinstance(values[0], (dict, list)) and self.same(*values)

    def same_body(self, old: bytes, new: bytes) -> bool:
        """Whether two bodies are the same: as JSON, else line by line (SSE, NDJSON), else as bytes."""
        if old == new:
            return True
        try:
            was, now = old.decode(), new.decode()
        except UnicodeDecodeError:
            return False
        if self._same_json(was, now):
            return True
        lines, others = was.split("\n"), now.split("\n")
        return len(lines) == len(others) and all(map(self._same_line, lines, others))

    def _same_line(self, old: str, new: str) -> bool:
        start = "data:" if old.startswith("data:") and new.startswith("data:") else ""
        return self.reads(old, new) or self._same_json(old.removeprefix(start), new.removeprefix(start))

    def same_response(self, old: Response, new: Response) -> bool:
        """Whether two responses are the same, when and how fast they came aside."""
        return (
            (old.status, old.reason, old.failure) == (new.status, new.reason, new.failure)
            and self._same_headers(old.headers, new.headers)
            and self.same_body(old.body, new.body)
        )

    def _same_headers(self, old: Headers, new: Headers) -> bool:
        return len(old) == len(new) and all(
            name == other and self._same_string(value, new_value, name)
            for (name, value), (other, new_value) in zip(old, new, strict=True)
        )

    def same_interaction(self, old: Interaction, new: Interaction) -> bool:
        """Whether two interactions are the same."""
        was, now = urlsplit(old.request.uri), urlsplit(new.request.uri)
        return (
            old.request.method == new.request.method
            and self.reads(was._replace(query="").geturl(), now._replace(query="").geturl())
            and self.reads(was.query, now.query)
            and self._same_headers(old.request.headers, new.request.headers)
            and self.same_body(old.request.body, new.request.body)
            and len(old.responses) == len(new.responses)
            and all(map(self.same_response, old.responses, new.responses))
        )


def is_clock(key: str, value: object) -> bool:
    """Whether a field tells a time or how long something took."""
    return _CLOCKS.match(key) is not None and not isinstance(value, (dict, list))


def same_recording(old: Cassette, new: Cassette) -> bool:
    """Say whether a re-recording differs from the old one in volatile fields only.

    Args:
        old: What the file holds.
        new: What was recorded now.

    Returns:
        True if headers of the cassette, requests and answers are equal under one consistent
        renaming of ids, leaving out clocks and timings.
    """
    header = (old.test, old.ignore, old.replace, old.match_headers)
    if header != (new.test, new.ignore, new.replace, new.match_headers):
        return False
    if len(old.interactions) != len(new.interactions):
        return False
    renaming = _Renaming()
    pairs = zip(old.interactions.values(), new.interactions.values(), strict=True)
    return all(renaming.same_interaction(was, now) for was, now in pairs)
