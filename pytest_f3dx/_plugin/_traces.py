"""``@pytest.mark.f3dx_trace("traces.jsonl")``: one test for each row of a bundle."""

from __future__ import annotations

import os
import re
import unicodedata
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx._redaction import Redactor, environment_values
from pytest_f3dx._traces._replay import iter_rows
from pytest_f3dx.errors import F3dxError, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

ARGUMENTS = ("trace", "f3dx_trace")
_KNOWN = {"limit", "on_error"}
_SLUG_CHARACTERS = 40


def parametrize(metafunc: pytest.Metafunc, mark: pytest.Mark) -> None:
    """Make a test for each row of the bundle that the marker names.

    Args:
        metafunc: A marked test function. One that takes no row is left alone if it has the marker only
            from its class or module.
        mark: The closest marker.

    Raises:
        pytest.Collector.CollectError: The marker is wrong, or its bundle cannot be read or has no rows.
    """
    names = [name for name in ARGUMENTS if name in metafunc.fixturenames]
    if not names and mark not in metafunc.definition.own_markers:
        return
    source = f"@pytest.mark.f3dx_trace on {metafunc.definition.nodeid}"
    try:
        name, options = _checked(source, mark)
        path = metafunc.definition.path.parent / name
        if len(names) != 1:
            what = f"{source}: the test takes {'no row' if not names else 'both'}"
            raise SettingsError(what, ("fix", f"give it one argument {' or '.join(ARGUMENTS)}"))
        rows = _rows(path, **options)
    except (F3dxError, OSError) as error:
        text = str(error) if isinstance(error, F3dxError) else f"f3dx: {source}: {error}"
        raise pytest.Collector.CollectError(text) from None
    metafunc.parametrize(names[0], rows, ids=_ids(rows))


def _checked(source: str, mark: pytest.Mark) -> tuple[str, dict[str, Any]]:
    options = dict(mark.kwargs)
    is_path = len(mark.args) == 1 and isinstance(mark.args[0], str | os.PathLike)
    if not is_path or not options.keys() <= _KNOWN:
        given = ", ".join([*map(repr, mark.args), *(f"{key}={value!r}" for key, value in options.items())])
        raise SettingsError(
            f"{source} has ({given})", ("accepted", "a path; limit=N, on_error='raise' or 'skip'")
        )
    if options.get("on_error", "raise") not in {"raise", "skip"}:
        raise SettingsError(f"{source} has on_error={options['on_error']!r}", ("accepted", "raise, skip"))
    limit = options.get("limit")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise SettingsError(f"{source} has limit={limit!r}", ("accepted", "whole numbers from 1 on"))
    return os.fspath(mark.args[0]), options


def _rows(path: Path, *, limit: int | None = None, on_error: Any = "raise") -> list[dict[str, Any]]:  # noqa: ANN401 (checked)
    """Read the rows, anew for each test function: what one changes in a row no other sees."""
    rows = list(islice(iter_rows(path, on_error=on_error), limit))
    if not rows:
        raise SettingsError(
            "a bundle without rows makes no test", ("bundle", str(path)), ("fix", "name another")
        )
    return rows


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    """Name each row by its number and its prompt, redacted: an id is printed, and names a cassette."""
    redactor = Redactor(values=environment_values(os.environ))
    return [f"{number}{_slug(row.get('prompt'), redactor)}" for number, row in enumerate(rows, 1)]


def _slug(prompt: object, redactor: Redactor) -> str:
    if not isinstance(prompt, str):
        return ""
    text = unicodedata.normalize("NFKD", redactor.text(prompt)).encode("ascii", "ignore").decode().lower()
    slug = re.sub("[^a-z0-9]+", "-", text).strip("-")
    if len(slug) > _SLUG_CHARACTERS:
        slug = slug[: _SLUG_CHARACTERS + 1].rpartition("-")[0] or slug[:_SLUG_CHARACTERS]
    return f"-{slug}" if slug else ""
