"""The settings, declared side by side, and what each accepts.

Every run that has us installed pays for importing this: only a wrong value loads `errors`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_f3dx.errors import SettingsError

RECORD_MODES = ("none", "once", "new_episodes", "all")
REPEATS = ("sequence", "first", "strict")
UNPLAYED = ("fail", "warn", "ignore")
ON_DRIFT = ("fail", "warn")
ARROW = "=>"
_CUSTOM = "custom"  # the name of a redaction that is given none
_PLACEHOLDER_NAME = r"[a-z]+(?:-[a-z]+)*"


def nearest(word: object, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known word closest to a wrong one, or nothing."""
    import difflib  # 5 ms, which only an error pays

    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _wrong(what: str, *facts: tuple[str, str]) -> SettingsError:
    from pytest_f3dx.errors import SettingsError

    return SettingsError(what, *facts)


def _choice(*accepted: str) -> Callable[[str, object], str]:
    def check(source: str, value: object) -> str:
        if isinstance(value, str) and value in accepted:
            return value
        raise _wrong(f"{source} is {value!r}{nearest(value, accepted)}", ("accepted", ", ".join(accepted)))

    return check


def _is_word_list(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(word, str) and word for word in value)


def _words(source: str, value: object) -> tuple[str, ...]:
    if _is_word_list(value):
        return tuple(value)  # type: ignore[arg-type]  # _is_word_list has looked
    raise _wrong(f"{source} is {value!r}", ("accepted", "a list of strings"))


def _header_names(source: str, value: object) -> tuple[str, ...]:
    return tuple(sorted({word.lower() for word in _words(source, value)}))


def _pair(source: str, value: object) -> tuple[str, str]:
    if isinstance(value, str) and ARROW in value:  # the form of a line in an ini file
        pattern, _, placeholder = value.rpartition(ARROW)
        return pattern.strip(), placeholder.strip()
    if _is_word_list(value) and len(value) == 2:  # type: ignore[arg-type]  # noqa: PLR2004 (a pair)
        return tuple(value)  # type: ignore[return-value,arg-type]  # _is_word_list has looked
    raise _wrong(
        f"{source} has {value!r}", ("accepted", f"(regex, placeholder), or 'regex {ARROW} placeholder'")
    )


def _pairs(source: str, value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, (list, tuple)):
        raise _wrong(f"{source} is {value!r}", ("accepted", "a list of (regex, placeholder) pairs"))
    return tuple(_pair(source, pair) for pair in value)


def _redactions(source: str, value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, (list, tuple)):
        raise _wrong(f"{source} is {value!r}", ("accepted", "a list of regexes or (regex, name) pairs"))
    bare = (
        (one, _CUSTOM) if isinstance(one, str) and ARROW not in one else _pair(source, one) for one in value
    )
    return tuple(_redaction(source, *one) for one in bare)


def _redaction(source: str, pattern: str, name: str) -> tuple[str, str]:
    try:
        re.compile(pattern)
    except re.error as error:
        raise _wrong(f"{source} has {pattern!r}, which is no regex: {error}") from None
    if not re.fullmatch(_PLACEHOLDER_NAME, name):
        raise _wrong(
            f"{source} has the name {name!r}",
            ("accepted", "lower-case words joined by -, such as customer-id"),
        )
    return pattern, name


def count(text: str) -> int:
    """Read the number of an option.

    Raises:
        ValueError: It is no whole number, or below 1.
    """
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _number(source: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # what it cannot read it refuses
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number < float("inf"):
        raise _wrong(f"{source} is {value!r}", ("accepted", "a number of 0 or more, such as 0.01"))
    return number


def _text(source: str, value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    raise _wrong(f"{source} is {value!r}", ("accepted", "a string"))


def _cassette_name(source: str, value: object) -> str:
    from pytest_f3dx._names import check_name

    if not isinstance(value, str):
        raise _wrong(f"{source} is {value!r}", ("accepted", "a string such as 'shared/login'"))
    return check_name(source, value)


class Setting(NamedTuple):
    """One setting and the places it can be set in.

    Attributes:
        name: Marker argument and key of ``f3dx_config``; the ini key is ``f3dx_`` and the name.
        check: Takes the source and the value given, returns it normalised or raises SettingsError.
        flag: Command line option, or empty.
        ini: Type of the ini value as pytest names it, or empty: it cannot stand in an ini file.
        marker: Whether the marker takes it.
        text: What it does, for ``--help``.
    """

    name: str
    check: Callable[[str, object], Any]
    flag: str = ""
    ini: str = "string"
    marker: bool = True
    text: str = ""


SETTINGS = (
    Setting(
        "record",
        _choice(*RECORD_MODES),
        flag="--f3dx-record",
        text="record mode: none (default, replay only), once, new_episodes or all",
    ),
    Setting("name", _cassette_name, ini="", text="name of a cassette that several tests share"),
    Setting("ignore", _words, ini="linelist", text="JSONPaths that do not count in the fingerprint"),
    Setting(
        "replace",
        _pairs,
        ini="linelist",
        text=f"'regex {ARROW} placeholder' lines applied to strings before the fingerprint",
    ),
    Setting(
        "match_headers", _header_names, ini="linelist", text="request headers that count in the fingerprint"
    ),
    Setting(
        "repeats",
        _choice(*REPEATS),
        text="what a request sent again gets: sequence (default), first or strict",
    ),
    Setting(
        "unplayed",
        _choice(*UNPLAYED),
        text="what an interaction left unplayed by a passing replay does: fail (default), warn or ignore",
    ),
    Setting(
        "keep_headers", _header_names, ini="linelist", marker=False, text="headers to store beside the usual"
    ),
    Setting(
        "redact",
        _redactions,
        ini="linelist",
        text=f"regexes, or 'regex {ARROW} name' lines, of what else is a secret",
    ),
    Setting("allow", _words, ini="linelist", text="values, or regexes of whole values, that are no secrets"),
    Setting(
        "allow_hosts",
        _words,
        ini="linelist",
        text="hosts (names with *, addresses, networks) that may be talked to where the network is refused",
    ),
    Setting(
        "on_drift",
        _choice(*ON_DRIFT),
        text="what an answer that drifted does under --f3dx-diff: fail or warn",
    ),
    Setting("diff_ignore", _words, ini="linelist", text="JSONPaths left out of comparing answers"),
    Setting("diff_tolerance", _number, text="by how much numbers in answers may differ (0.01 is 1 %)"),
    Setting("embedding_threshold", _number, text="least cosine that mode embedding accepts"),
    Setting("judge_base_url", _text, marker=False, text="OpenAI-compatible endpoint of mode judge"),
    Setting("judge_model", _text, marker=False, text="model of mode judge"),
    Setting("judge_verdicts", _text, marker=False, text="file that keeps the verdicts of mode judge"),
)
# Of a whole run, in the ini file only: (accepted values, the default first; what it does)
RUN_SETTINGS = {
    "fixtures": (
        ("marked", "all", "off"),
        "fixtures that get a cassette: of marked tests, all, or none",
    ),
    "fast_tls": (
        ("on", "off"),
        "clients built in marked tests load CA certificates when they connect, not when they are built",
    ),
}
IN_INI = (*(setting.name for setting in SETTINGS if setting.ini), *RUN_SETTINGS)
# Of ``--f3dx-diff``, on the command line only.
DIFF_TEXTS = {
    "diff": "send each replayed request live as well and compare the answers: bytes, structured, embedding, "
    "judge, or several separated by commas",
    "max_live": "live requests that --f3dx-diff may send; beyond it the run stops",
    "live_concurrency": "live requests of --f3dx-diff under way at once in each process (default 4)",
    "live_timeout": "seconds for each live request of --f3dx-diff (default 120)",
}
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def check_source(source: str, values: Mapping[str, object], *, marker: bool = False) -> dict[str, Any]:
    """Check the settings of one source and return them normalised.

    Args:
        source: How the source is called in an error, such as ``@pytest.mark.f3dx_cache``.
        values: Settings by name.
        marker: Take only those that a marker may set.

    Raises:
        SettingsError: A name is unknown or a value is not accepted; names the nearest valid one.
    """
    known = [setting.name for setting in SETTINGS if setting.marker or not marker]
    for name in values:
        if name not in known:
            raise _wrong(
                f"{source} has no setting {name!r}{nearest(name, known)}", ("accepted", ", ".join(known))
            )
    return {name: _BY_NAME[name].check(f"{name} of {source}", value) for name, value in values.items()}


def check_run_setting(name: str, value: object) -> str:
    """Check a setting of a whole run and return it; None gives the default.

    Raises:
        SettingsError: The value is not accepted; names the nearest valid one.
    """
    accepted = RUN_SETTINGS[name][0]
    return accepted[0] if value is None else _choice(*accepted)(f"f3dx_{name} of the ini file", value)
