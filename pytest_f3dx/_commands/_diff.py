"""``pytest-f3dx diff``: what changed between two sets of cassettes, in words a reviewer reads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_f3dx._commands import FOUND, OK, USAGE
from pytest_f3dx._commands._terminal import Progress, add_colour, is_coloured, width, write
from pytest_f3dx._render import FORMATS, renderer

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_f3dx._review._model import Report

_DESCRIPTION = """\
Compare cassettes and say what changed in prompts and answers. OLD and NEW are git revisions, or two files,
or two directories; OLD may be a range such as main..feature or main...feature. Without NEW the work tree is
meant, without OLD its HEAD. Paths behind -- narrow it down."""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        "diff", help="say what changed between two sets of cassettes", description=_DESCRIPTION
    )
    parser.add_argument("names", nargs="*", metavar="OLD [NEW]", help="revisions, files or directories")
    parser.add_argument("--format", choices=list(FORMATS), default="text", help="default: text")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of standard output")
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="JSONPATH",
        help="leave a place out beside those that are volatile and those of f3dx_diff_ignore; repeatable",
    )
    parser.add_argument(
        "--show-ignored", action="store_true", help="show volatile places too, such as ids and times"
    )
    add_colour(parser)
    parser.set_defaults(run=_diff)
    whole = parser.parse_known_args

    def split(
        args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse what stands before ``--``; argparse itself forgets where it stood."""
        given = list(args or ())
        at = given.index("--") if "--" in given else len(given)
        options, rest = whole(given[:at], namespace)
        options.paths = given[at + 1 :]
        return options, rest

    parser.parse_known_args = split  # type: ignore[method-assign, assignment]  # it has no hook for this


def _diff(options: argparse.Namespace) -> int:
    from pytest_f3dx._review._model import Context
    from pytest_f3dx._review._payloads import Payloads
    from pytest_f3dx._review._report import Options, review
    from pytest_f3dx._review._sources import select

    _check(options)
    payloads = Payloads()
    compare = Options((*_configured(), *options.ignore), show_ignored=options.show_ignored)
    with select(options.names, options.paths, Path.cwd()) as selection, Progress(sys.stderr) as progress:
        report = review(selection, compare, payloads, progress)
        context = Context(
            width(options.output),
            is_coloured(options.color, options.output),
            options.show_ignored,
            payloads.read,
        )
        _write(renderer(options.format)(report, context), options.output)
    return _code(report)


def _configured() -> tuple[str, ...]:
    """Return what the ini file of pytest leaves out of comparing answers."""
    from pytest_f3dx._config import check_loosening
    from pytest_f3dx._ini import settings

    found = tuple(settings(Path.cwd()).get("diff_ignore", ()))
    check_loosening("f3dx_diff_ignore", {"ignore": found})
    return found


def _check(options: argparse.Namespace) -> None:
    from pytest_f3dx._fingerprint import check_settings
    from pytest_f3dx.errors import ReviewError

    if len(options.names) > 2:  # noqa: PLR2004 - old and new
        fix = "pytest-f3dx diff OLD NEW -- PATH..."
        raise ReviewError(f"{len(options.names)} names are given, two are compared", ("fix", fix))
    check_settings(ignore=tuple(options.ignore))


def _write(text: str, output: Path | None) -> None:
    from pytest_f3dx._gate import look_through_report

    look_through_report(text, str(output or "standard output"))
    if output:
        from pytest_f3dx._files import write_atomic

        write_atomic(output, text.encode("utf-8", "backslashreplace"))
        return
    write(text)


def _code(report: Report) -> int:
    if any(test.problems for test in report.tests):
        return USAGE
    return OK if report.is_empty else FOUND
