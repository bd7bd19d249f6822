"""Why no recording answers a request: the nearest interaction, and where it differs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_f3dx._fingerprint import envelope, parsed_body
from pytest_f3dx._paths import json_path
from pytest_f3dx.errors import MissError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_f3dx._config import Config
    from pytest_f3dx._model import Interaction, Request

_SHOWN = 5  # differences; more are counted
_MAX_CANDIDATES = 200  # bodies compared in a large cassette, those of the same resource first
_WINDOW = 24  # characters of a long text shown on each side of its first difference
_SHORT = 60
_VOLATILE = re.compile(
    r"(?ix) ( [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # a UUID
    r"| \d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"  # a date
    r"| /(?:tmp|var/folders|private/var)/[^\s\"']+"  # a temporary path
    r"| \b[A-Za-z]+[-_](?=[A-Za-z0-9]*\d)[A-Za-z0-9]{8,}\b"  # call_x9…, pyd_ai_…
    r"| \b(?=[0-9a-f]*\d)[0-9a-f]{12,}\b | \b1[5-9]\d{8}(?:\d{3})?(?:\.\d+)?\b )"  # random hex, a clock
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in which two requests differ.

    Attributes:
        path: ``method``, ``url``, ``query.name``, ``headers.name`` or a JSONPath such as ``$.messages[1]``.
        old: Text of the recorded value, ``absent`` if there is none.
        new: Text of the value sent now.
        is_volatile: Whether both values look like uuids, dates, temporary paths or random hex.
    """

    path: str
    old: str
    new: str
    is_volatile: bool


def _window(text: str, start: int) -> str:
    if len(text) <= _SHORT:
        return json.dumps(text, ensure_ascii=False)
    first, last = max(0, start - _WINDOW), start + _WINDOW + 12
    shown = json.dumps(text[first:last], ensure_ascii=False)[1:-1]
    return f'"{"…" if first else ""}{shown}{"…" if last < len(text) else ""}"'


def _first_difference(old: str, new: str) -> int:
    same = (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    return next(same, min(len(old), len(new)))


def _shown(old: object, new: object) -> tuple[str, str]:
    if isinstance(old, str) and isinstance(new, str):
        start = _first_difference(old, new)
        return _window(old, start), _window(new, start)
    return _value(old), _value(new)


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _looks_volatile(old: object, new: object) -> bool:
    if not isinstance(old, (str, int, float)) or not isinstance(new, (str, int, float)):
        return False
    old_text, new_text = str(old), str(new)
    return old_text != new_text and _VOLATILE.sub("", old_text) == _VOLATILE.sub("", new_text)


def _difference(path: str, old: object, new: object) -> Difference:
    return Difference(path, *_shown(old, new), is_volatile=_looks_volatile(old, new))


def _body_differences(old: Any, new: Any) -> list[Difference]:  # noqa: ANN401 (any JSON value)
    """Compare parsed bodies by deepdiff; only at a miss, so its cost does not matter."""
    from deepdiff import DeepDiff
    from deepdiff.helper import NotPresent, notpresent

    if type(old) is not type(new) or not isinstance(old, (dict, list)):
        return [_difference("$", old, new)] if old != new else []
    tree = DeepDiff(old, new, view="tree", ignore_nan_inequality=True)
    found = []
    for level in (level for levels in tree.values() for level in levels):
        path = json_path(level.path(output_format="list"))
        one, other = level.t1, level.t2
        if _is_same_number(one, other):
            continue
        if isinstance(one, NotPresent) or one is notpresent:
            found.append(Difference(path, "absent", _value(other), is_volatile=False))
        elif isinstance(other, NotPresent) or other is notpresent:
            found.append(Difference(path, _value(one), "absent", is_volatile=False))
        else:
            found.append(_difference(path, one, other))
    return sorted(found, key=lambda d: d.path)


def _is_same_number(one: object, other: object) -> bool:
    """Whether two values are one number to RFC 8785, such as 1 and 1.0; True is no number."""
    return type(one) in (int, float) and type(other) in (int, float) and one == other


def _part_differences(old: dict[str, Any], new: dict[str, Any]) -> list[Difference]:
    """Compare what stands around the body in two envelopes."""
    found = [
        _difference(name, old.get(name, ""), new.get(name, ""))
        for name in ("method", "url")
        if old.get(name) != new.get(name)
    ]
    for name in ("query", "headers"):
        before, after = _mapping(old.get(name, [])), _mapping(new.get(name, []))
        found += [
            _pair_difference(f"{name}.{key}", before.get(key), after.get(key))
            for key in sorted({*before, *after})
            if before.get(key) != after.get(key)
        ]
    return found


def _pair_difference(path: str, old: str | None, new: str | None) -> Difference:
    if old is None:
        return Difference(path, "absent", _value(new), is_volatile=False)
    if new is None:
        return Difference(path, _value(old), "absent", is_volatile=False)
    return _difference(path, old, new)


def _mapping(pairs: Any) -> dict[str, str]:  # noqa: ANN401 (a part of an envelope)
    items = pairs.items() if isinstance(pairs, dict) else pairs
    found: dict[str, str] = {}
    for key, value in items:
        found[key] = f"{found[key]}, {value}" if key in found else str(value)
    return found


def differences(old: Request, new: Request, config: Config) -> list[Difference]:
    """List every place in which two requests differ, headers only where they count.

    Args:
        old: A recorded request.
        new: The request sent now, redacted.
        config: Its ``match_headers`` say which headers count.
    """
    names = config.match_headers
    found = _part_differences(envelope(old, match_headers=names), envelope(new, match_headers=names))
    before, after = parsed_body(old), parsed_body(new)
    if before is None or after is None:
        if before is not after:
            found.append(_difference("body", _kind(before), _kind(after)))
    elif before[0] != after[0]:
        found.append(_difference("body", before[0], after[0]))
    else:
        found += _body_differences(before[1], after[1])
    return found


def _kind(body: tuple[str, object] | None) -> str:
    return "absent" if body is None else body[0]


def _likeness(old: Request, new: Request) -> tuple[bool, bool, bool, float]:
    """Rank a recorded request: the same method and path first, then how alike the bodies are."""
    was, now = urlsplit(old.uri), urlsplit(new.uri)
    same_path, same_host = was.path == now.path, was.netloc == now.netloc
    length = max(len(old.body), len(new.body), 1)
    quick = min(len(old.body), len(new.body)) / length
    if same_path and length <= 20_000:  # noqa: PLR2004 (characters compared one by one, at a miss only)
        matcher = SequenceMatcher(None, old.body[:4000], new.body[:4000], autojunk=False)
        quick = matcher.quick_ratio() if matcher.real_quick_ratio() > 0.3 else 0.0  # noqa: PLR2004
    return same_path, same_host, old.method == new.method, quick


def nearest(
    request: Request, interactions: Iterable[Interaction], config: Config
) -> tuple[Interaction, list[Difference]] | None:
    """Find the recorded interaction that differs least from a request.

    Args:
        request: The request sent now, redacted.
        interactions: What the cassette holds.
        config: See `differences`.

    Returns:
        The interaction and where it differs; None if the cassette is empty.
    """
    ranked = sorted(interactions, key=lambda i: _likeness(i.request, request)[:3], reverse=True)
    ranked = sorted(ranked[:_MAX_CANDIDATES], key=lambda i: _likeness(i.request, request), reverse=True)
    compared = [(one, differences(one.request, request, config)) for one in ranked[:_SHOWN]]
    return min(compared, key=lambda pair: len(pair[1]), default=None)


def _describe(found: Interaction, places: list[Difference]) -> str:
    if not places:
        return f"{found.fingerprint[:9]}… is the same request, and was replayed already (repeats = strict)"
    count = "1 place" if len(places) == 1 else f"{len(places)} places"
    lines = [f"{found.fingerprint[:9]}… differs in {count}"]
    lines += [f"  {place.path}  {place.old} → {place.new}" for place in places[:_SHOWN]]
    if len(places) > _SHOWN:
        lines.append(f"  … and {len(places) - _SHOWN} more")
    return "\n".join(lines)


def _ignore_line(places: list[Difference], *, toml: bool) -> str:
    paths = [place.path for place in places]
    if toml:
        return f"f3dx_ignore = {json.dumps(paths)}"
    return "\n".join(["f3dx_ignore =", *(f"    {path}" for path in paths)])


def explain(  # noqa: PLR0913 (the facts of one message)
    request: Request,
    fingerprint: str,
    interactions: Iterable[Interaction],
    config: Config,
    *,
    test: str,
    cassette: str,
    fix: str,
    is_pending: bool = False,
    toml: bool = False,
) -> MissError:
    """Build the error of a miss.

    Args:
        request: The request sent now, redacted.
        fingerprint: Its fingerprint.
        interactions: What the cassette holds.
        config: The settings of the test.
        test: Node id.
        cassette: Path and state of the cassette, as it is to be shown.
        fix: The command that records what is missing.
        is_pending: Whether an earlier run has paid for something that is in no cassette yet.
        toml: Whether settings stand in a TOML file, for the line to paste.
    """
    facts = [
        ("test", test),
        ("request", f"{request.method} {request.uri}  {fingerprint[:9]}…"),
        ("cassette", cassette),
    ]
    found = nearest(request, interactions, config)
    if found:
        facts.append(("nearest", _describe(*found)))
        places = found[1]
        if places and all(place.is_volatile and place.path.startswith("$") for place in places):
            facts.append(("ignore", _ignore_line(places, toml=toml)))
    if is_pending:
        facts.append(
            ("pending", "an earlier run has recorded what is not confirmed yet; it is not paid again")
        )
    return MissError("no recording answers this request", *facts, ("fix", fix))
