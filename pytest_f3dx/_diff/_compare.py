"""``compare``: one mode after the other until one accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from pytest_f3dx._diff._embedding import THRESHOLD, compare_embedding
from pytest_f3dx._diff._judge import compare_judged
from pytest_f3dx._diff._sides import Side, side
from pytest_f3dx._diff._structured import compare_bytes, compare_structured
from pytest_f3dx._model import Drift
from pytest_f3dx._settings import nearest
from pytest_f3dx.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_f3dx._diff._judge import Judge
    from pytest_f3dx._diff._vectors import Embed

MODES = ("bytes", "structured", "embedding", "judge")


class Options(TypedDict, total=False):
    """What `compare` may be told.

    Attributes:
        ignore: JSONPaths (RFC 9535) to leave out beside what is volatile in the API.
        tolerance: By how much numbers may differ: relative, and absolute below 1. Default 0.
        threshold: The least cosine that mode ``embedding`` accepts. Default 0.6.
        embed: Gives a vector for each of a list of texts, in place of the extra ``embedding``.
        judge: Called with the texts of old, new and context, gives ``(accepted, reason)``.
        context: The request that both answer, for the judge.
        content_type: Of both bodies, where they are given as bytes.
        uri: Of their request.
    """

    ignore: Sequence[str]
    tolerance: float
    threshold: float
    embed: Embed
    judge: Judge
    context: str
    content_type: str
    uri: str


def compare(old: object, new: object, mode: str = "structured", **options: Unpack[Options]) -> Drift:
    """Say what is different between an old answer and a new one, and whether the new one is accepted.

    Modes, cheapest first: ``bytes`` (equality), ``structured`` (the same JSON; streams are put together to
    the message they carry, volatile fields are left out), ``embedding`` (texts about the same, by cosine;
    finds another topic, not a wrong answer), ``judge`` (a model's verdict). Several, such as
    ``structured,embedding``, are asked in turn until one accepts. Nothing is read or sent, but by a judge.

    Args:
        old: What there was: bytes or text of a body, or any JSON value.
        new: What there is now.
        mode: One mode, or several separated by commas.
        **options: See `Options`.

    Returns:
        The result of the mode that accepted, else of the last.

    Raises:
        SettingsError: A mode or an option is unknown, a JSONPath is invalid, a judge or an extra is missing.
        JudgeError: The judge gave no verdict.
        TypeError: Something that is no body and no JSON value was given.

    Example:
        >>> drift = compare({"total": 41}, {"total": 42})
        >>> drift.ok, drift.changes[0].path, drift.changes[0].severity
        (False, '$.total', 'error')
    """
    asked = check_modes(mode)
    _check_names(options)
    if isinstance(old, (bytes, str)) and type(old) is type(new) and old == new:
        return Drift(ok=True, mode=asked[0])
    _check_paths(options)
    return _Comparison(old, new, options).decide(asked)


def check_modes(mode: str) -> tuple[str, ...]:
    """Split a chain of modes.

    Raises:
        SettingsError: One is unknown.
    """
    if mode in MODES:
        return (mode,)
    modes = tuple(part.strip() for part in str(mode).split(","))
    for each in modes:
        if each not in MODES:
            raise SettingsError(
                f"mode is {each!r}{nearest(each, MODES)}",
                ("accepted", f"{', '.join(MODES)}, or several separated by commas"),
            )
    return modes


def _check_names(options: Options) -> None:
    known = Options.__annotations__
    for name in options:
        if name not in known:
            raise SettingsError(
                f"compare() has no option {name!r}{nearest(name, known)}", ("accepted", ", ".join(known))
            )


def _check_paths(options: Options) -> None:
    if options.get("ignore"):
        from pytest_f3dx._fingerprint import check_settings

        check_settings(ignore=tuple(options["ignore"]))


class _Comparison:
    """Two sides; what one mode finds is there for the next."""

    def __init__(self, old: object, new: object, options: Options) -> None:
        content_type, uri = options.get("content_type", ""), options.get("uri", "")
        self._old: Side = side(old, content_type=content_type, uri=uri)
        self._new: Side = side(new, content_type=content_type, uri=uri)
        self._options = options
        self._found: Drift | None = None

    def decide(self, modes: Sequence[str]) -> Drift:
        """Ask the modes in turn until one accepts."""
        drift = self._by(modes[0])
        for mode in modes[1:]:
            if drift.ok:
                break
            drift = self._by(mode)
        return drift

    def _by(self, mode: str) -> Drift:
        if mode == "bytes":
            return compare_bytes(self._old, self._new)
        if mode == "structured":
            return self._structured()
        return self._by_embedding() if mode == "embedding" else self._by_judge()

    def _structured(self) -> Drift:
        if self._found is None:
            self._found = compare_structured(
                self._old,
                self._new,
                ignore=self._options.get("ignore", ()),
                tolerance=self._options.get("tolerance", 0.0),
            )
        return self._found

    def _by_embedding(self) -> Drift:
        from pytest_f3dx._diff._vectors import embed

        answer = self._old.answer() or self._new.answer()
        return compare_embedding(
            self._structured(),
            answer.provider if answer else "",
            embed=self._options.get("embed") or embed,
            threshold=self._options.get("threshold", THRESHOLD),
        )

    def _by_judge(self) -> Drift:
        judge: Any = self._options.get("judge")
        if judge is None:
            raise SettingsError(
                "mode 'judge' has no judge",
                ("fix", "set f3dx_judge_base_url and f3dx_judge_model, or give compare() a judge"),
                ("such as", 'judge=EndpointJudge("http://127.0.0.1:8080/v1", "qwen3")'),
            )
        context = self._options.get("context", "")
        return compare_judged(self._structured(), self._old, self._new, judge=judge, context=context)
