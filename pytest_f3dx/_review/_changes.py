"""What changed between two versions of one cassette."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from pytest_f3dx._diff._sides import side
from pytest_f3dx._diff._structured import compare_structured
from pytest_f3dx._llm._answer import assemble
from pytest_f3dx._llm._prompt import read_prompt
from pytest_f3dx._model import Change, Drift, header
from pytest_f3dx._review._bodies import body_entries, change_entries
from pytest_f3dx._review._entries import answer_entries, entry, prompt_entries
from pytest_f3dx._review._model import ADDED, CHANGED, REMOVED, Entry, InteractionChange, Side
from pytest_f3dx._review._pairing import pair
from pytest_f3dx._review._prices import cost_usd
from pytest_f3dx._review._untold import is_left_of_answer, left_of_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_f3dx._llm._blocks import Attachment
    from pytest_f3dx._llm._model import Answer
    from pytest_f3dx._llm._prompt import Prompt
    from pytest_f3dx._model import Interaction, Request, Response
    from pytest_f3dx._review._cassettes import Opened
    from pytest_f3dx._review._model import Blob

    Named = Callable[[Attachment], Blob]

_SAYING = {"content-type", "location"}  # headers of an answer whose change is no noise


@dataclass(slots=True)
class Difference:
    """What two versions of a cassette differ in.

    Attributes:
        interactions: Those that changed.
        unchanged: How many are the same.
        noisy: How many of these differ in volatile places.
    """

    interactions: list[InteractionChange] = field(default_factory=list)
    unchanged: int = 0
    noisy: int = 0


@dataclass(frozen=True, slots=True)
class Comparer:
    """Compares interactions.

    Attributes:
        named_old: Tells what a reader is told of a payload of the old cassette.
        named: Likewise of the new one.
        ignore: JSONPaths to leave out beside what is volatile.
        show_ignored: Whether interactions that differ in volatile places only are reported.
    """

    named_old: Named
    named: Named
    ignore: tuple[str, ...] = ()
    show_ignored: bool = False

    def cassettes(self, old: Opened, new: Opened) -> Difference:
        """Compare two versions of a cassette; only what differs in its text is parsed.

        Raises:
            CassetteError: An interaction is damaged.
        """
        found = Difference()
        place = {key: at for at, key in enumerate(new.fingerprints)}
        kept = set(old.fingerprints) & place.keys()
        placed: list[tuple[float, InteractionChange]] = []
        for key in new.fingerprints:
            change = self._same_request(old, new, key, found) if key in kept else None
            if change:
                placed.append((place[key], change))
        at = -1.0
        for was, now in _pairs(old, new, kept):
            at = place[now.fingerprint] if now else at + 0.001  # behind its neighbour
            change = self.interaction(was, now)
            if self._is_worth(change, found):
                placed.append((at, change))
        found.interactions = [one for _, one in sorted(placed, key=lambda each: each[0])]
        return found

    def interaction(self, old: Interaction | None, new: Interaction | None) -> InteractionChange:
        """Compare an interaction with its old self.

        Args:
            old: None if it was added.
            new: None if it was removed.
        """
        one = new or old
        assert one
        kind = CHANGED if old and new else ADDED if new else REMOVED
        request, ignored = self._requests(old.request if old else None, new.request if new else None)
        answer, drift, more = self._answers(old, new)
        change = InteractionChange(
            kind,
            one.request.method,
            one.request.uri,
            _side(old),
            _side(new),
            tuple(request),
            tuple(answer),
            tuple(drift),
            (*ignored, *more),
        )
        return replace(change, note=_note(change))

    def _same_request(
        self, old: Opened, new: Opened, key: str, found: Difference
    ) -> InteractionChange | None:
        raw = old.raw(key)
        if raw is not None and raw == new.raw(key):
            found.unchanged += 1
            return None
        was, now = old.get(key), new.get(key)
        if was == now:
            found.unchanged += 1
            return None
        change = self.interaction(was, now)
        return change if self._is_worth(change, found) else None

    def _is_worth(self, change: InteractionChange, found: Difference) -> bool:
        """Whether a change is reported; one of volatile places is counted among what is the same."""
        if change.request or change.answer:
            return True
        found.unchanged += 1
        found.noisy += 1
        return self.show_ignored and bool(change.ignored)

    # -- requests ------------------------------------------------------------------------------

    def _requests(self, old: Request | None, new: Request | None) -> tuple[list[Entry], list[Change]]:
        was = read_prompt(old.body, old.uri) if old else None
        now = read_prompt(new.body, new.uri) if new else None
        if old and new:
            return self._changed_request(old, new, was, now)
        one, prompt, kind = (new, now, ADDED) if new else (old, was, REMOVED)
        assert one
        named = self.named if new else self.named_old
        if prompt:
            return prompt_entries(was, now, named, named), []
        return body_entries(one.body, one.headers, kind, named), []

    def _changed_request(
        self, old: Request, new: Request, was: Prompt | None, now: Prompt | None
    ) -> tuple[list[Entry], list[Change]]:
        found = [entry("url", "", old.uri, new.uri)]
        found += _headers(dict(old.headers), dict(new.headers))
        ignored: list[Change] = []
        if was and now:
            found += prompt_entries(was, now, self.named_old, self.named)
        if old.body != new.body:
            kinds = [header(one.headers, "content-type") or "" for one in (old, new)]
            drift = compare_structured(
                side(old.body, content_type=kinds[0]),
                side(new.body, content_type=kinds[1]),
                ignore=self.ignore,
            )
            ignored += drift.ignored
            rest = (
                left_of_prompt(drift.changes, [one for one in found if one]) if was and now else drift.changes
            )
            found += change_entries(rest, self.named, self.named_old)
        return [one for one in found if one], ignored

    # -- answers -------------------------------------------------------------------------------

    def _answers(
        self, old: Interaction | None, new: Interaction | None
    ) -> tuple[list[Entry], list[Change], list[Change]]:
        found: list[Entry] = []
        changes: list[Change] = []
        ignored: list[Change] = []
        uri = (new or old).request.uri  # type: ignore[union-attr]  # one of them is there
        pairs = list(zip_longest(old.responses if old else (), new.responses if new else ()))
        for number, (was, now) in enumerate(pairs, 1):
            label = f"answer {number}" if len(pairs) > 1 else ""
            entries, drift = self._answer(was, now, uri, label)
            found += entries
            changes += drift.changes
            ignored += drift.ignored
        return found, changes, ignored

    def _answer(
        self, old: Response | None, new: Response | None, uri: str, label: str
    ) -> tuple[list[Entry], Drift]:
        found: list[Entry] = []
        if old and new:
            drift = self._drift(old, new, uri)
            found, others = _response_headers(old, new)
            drift = replace(drift, ignored=(*drift.ignored, *others))
            if drift.ok:
                return found, replace(drift, changes=(), ignored=(*drift.ignored, *drift.changes))
        else:
            drift = Drift(ok=False, mode="structured")
        was, now = (_read(one, uri) for one in (old, new))
        found += _status(old, new, label)
        found += answer_entries(was, now, label)
        if old and new:
            is_answer = bool(found and (was or now))
            rest = [one for one in drift.changes if is_left_of_answer(one, is_answer=is_answer)]
            found += change_entries(rest, self.named, self.named_old)
        elif not (was or now):
            one, kind, named = (new, ADDED, self.named) if new else (old, REMOVED, self.named_old)
            assert one
            found += body_entries(one.body, one.headers, kind, named)
        return [replace(one, label=one.label or label) for one in found], drift

    def _drift(self, old: Response, new: Response, uri: str) -> Drift:
        return compare_structured(side(old, uri=uri), side(new, uri=uri), ignore=self.ignore)


def _pairs(
    old: Opened, new: Opened, kept: set[str]
) -> Iterator[tuple[Interaction | None, Interaction | None]]:
    """Yield the interactions that only one side has, a changed one with its old self."""
    gone = [one for key in old.fingerprints if key not in kept and (one := old.get(key))]
    came = [one for key in new.fingerprints if key not in kept and (one := new.get(key))]
    for i, j in pair([one.request for one in gone], [one.request for one in came]):
        yield (None if i is None else gone[i]), (None if j is None else came[j])


def _response_headers(old: Response, new: Response) -> tuple[list[Entry], list[Change]]:
    """Compare the headers of two answers: those that say something, and the others, which are noise."""
    if old.failure or new.failure:  # which is told, and has no headers
        return [], []
    was, now = dict(old.headers), dict(new.headers)
    told, others = [], []
    for name in [*was, *(name for name in now if name not in was)]:
        one, other = was.get(name), now.get(name)
        if one != other and name in _SAYING:
            told.append(entry("header", name, one, other, by_word=False))
        elif one != other:
            kind = "added" if one is None else "removed" if other is None else "changed"
            others.append(Change(f"headers.{name}", kind, one, other, "info"))
    return [one for one in told if one], others


def _headers(old: dict[str, str], new: dict[str, str]) -> Iterator[Entry | None]:
    for name in [*old, *(name for name in new if name not in old)]:
        yield entry("header", name, old.get(name), new.get(name), by_word=False)


def _status(old: Response | None, new: Response | None, label: str) -> Iterator[Entry]:
    was, now = (_line(one) for one in (old, new))
    if old and new:
        changed = entry("status", label, was, now, by_word=False)
    else:  # that all went well need not be said
        changed = entry("status", label, *("" if line.startswith("200") else line for line in (was, now)))
    if changed:
        yield changed


def _line(response: Response | None) -> str:
    if response is None:
        return ""
    if response.failure:
        return f"{response.failure.kind}: {response.failure.message}"
    return f"{response.status} {response.reason}".strip()


def _read(response: Response | None, uri: str) -> Answer | None:
    if response is None:
        return None
    return assemble(response.body, header(response.headers, "content-type") or "", uri)


def _side(interaction: Interaction | None) -> Side | None:
    if interaction is None:
        return None
    request = interaction.request
    prompt = read_prompt(request.body, request.uri)
    answers = [(_read(each, request.uri), each.recorded_at) for each in interaction.responses]
    usages = [answer.usage for answer, _ in answers if answer and answer.usage]
    named = (prompt.model if prompt else "") or next((a.model for a, _ in answers if a and a.model), "")
    costs = [
        cost_usd(named, answer.usage, request.uri, at) for answer, at in answers if answer and answer.usage
    ]
    took = [each.took_ms for each in interaction.responses if each.took_ms is not None]
    return Side(
        interaction.fingerprint,
        named,
        len(interaction.responses),
        _sum(usage.input_tokens for usage in usages),
        _sum(usage.output_tokens for usage in usages),
        None if None in costs or not costs else sum(cost for cost in costs if cost is not None),
        sum(took) if took else None,
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _note(change: InteractionChange) -> str:
    """Say in a few words what changed."""
    if change.kind != CHANGED:
        return f"request {change.kind}"
    parts = [_name(one) for one in change.request]
    if change.answer:
        parts.append("the answer")
    if not parts:
        return "only volatile places differ"
    shown = list(dict.fromkeys(parts))
    listed = ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")  # noqa: PLR2004
    return f"{listed} changed"


def _name(one: Entry) -> str:
    if one.part == "message":
        return one.label
    if one.part in ("model", "url"):
        return "the model" if one.part == "model" else "the URL"
    return f"{one.part} {one.label}".strip()
