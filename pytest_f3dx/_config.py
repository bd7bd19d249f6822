"""What holds for a test, and `resolve`: the only place where precedence is decided.

Command line > marker > fixture ``f3dx_config`` > ini file > default; each setting on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_f3dx.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Config:
    """What holds for one test.

    Attributes:
        record: Record mode: ``none``, ``once``, ``new_episodes`` or ``all``.
        name: Name of a cassette shared by several tests; None: the test has its own.
        ignore: JSONPaths (RFC 9535) left out of the fingerprint.
        replace: (regex, placeholder) pairs applied to strings before the fingerprint.
        match_headers: Request headers that belong to the fingerprint, lower case, sorted.
        repeats: What a request sent again gets: ``sequence``, ``first`` or ``strict``.
        unplayed: What an interaction left unplayed does: ``fail``, ``warn`` or ``ignore``.
        keep_headers: Headers stored beside the usual ones, lower case, sorted.
        redact: (regex, name) pairs of what else is a secret.
        allow: Values that are no secrets, each exact or a regex of the whole value.
        allow_hosts: Hosts that may be talked to in record mode `none`, by what is not intercepted.
        on_drift: What an answer that drifted does under ``--f3dx-diff``: ``fail`` or ``warn``.
        diff_ignore: JSONPaths left out of comparing answers.
        diff_tolerance: By how much numbers in answers may differ.
        embedding_threshold: The least cosine that mode ``embedding`` accepts.
        judge_base_url: OpenAI-compatible endpoint of mode ``judge``; empty: there is none.
        judge_model: Its model.
        judge_verdicts: File that keeps its verdicts; empty: in pytest's cache.
    """

    record: str = "none"
    name: str | None = None
    ignore: tuple[str, ...] = ()
    replace: tuple[tuple[str, str], ...] = ()
    match_headers: tuple[str, ...] = ()
    repeats: str = "sequence"
    unplayed: str = "fail"
    keep_headers: tuple[str, ...] = ()
    redact: tuple[tuple[str, str], ...] = ()
    allow: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    on_drift: str = "fail"
    diff_ignore: tuple[str, ...] = ()
    diff_tolerance: float = 0.0
    embedding_threshold: float = 0.6
    judge_base_url: str = ""
    judge_model: str = ""
    judge_verdicts: str = ""


def check_loosening(source: str, values: Mapping[str, Any]) -> None:
    """Check JSONPaths, regexes and header names, which is for `_fingerprint` to say.

    Args:
        source: How the source is called in an error.
        values: What `check_source` gave.

    Raises:
        SettingsError: One of them is invalid.
    """
    if values.get("diff_ignore"):
        check_loosening(f"{source}: diff_ignore", {"ignore": values["diff_ignore"]})
    loosening = {name: values[name] for name in ("ignore", "replace", "match_headers") if values.get(name)}
    if loosening:
        from pytest_f3dx._fingerprint import check_settings

        try:
            check_settings(**loosening)
        except SettingsError as error:
            raise SettingsError(f"{source}: {error.what}", *error.facts) from None


def resolve(
    *,
    flag: Mapping[str, object],
    marker: Mapping[str, object],
    fixture: Mapping[str, object],
    ini: Mapping[str, object],
) -> Config:
    """Decide every setting by precedence: flag > marker > fixture > ini > default.

    Each source holds only what was set in it, checked by `check_source`.
    """
    return Config(**{**ini, **fixture, **marker, **flag})  # type: ignore[arg-type]  # checked by source
