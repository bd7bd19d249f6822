"""``pytest-f3dx replay``: ask a target for every row of a bundle, and say where it answers otherwise."""

from __future__ import annotations

import functools
import json
import os
import sys
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_f3dx._commands import FOUND, OK, USAGE
from pytest_f3dx.errors import F3dxError, SettingsError, TraceError, printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from pytest_f3dx._traces._entry import Compare, Entry
    from pytest_f3dx._traces._report import Report

INTERRUPTED = 130  # as a shell says of what an interrupt has ended
FORMATS = (".md", ".html", ".json", ".jsonl")
_SHOWN = 10


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        "replay",
        help="ask a function for every row of a bundle of traces, and say where it answers otherwise",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="JSON Lines (.gz, .zst too) or .parquet")
    parser.add_argument("--target", required=True, metavar="MODULE:FUNCTION", help="a function of a row")
    parser.add_argument(
        "--mode", default="structured", help="bytes, structured, embedding or judge; default: structured"
    )
    parser.add_argument("--concurrency", type=int, default=8, metavar="N", help="rows at once; default: 8")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N rows")
    parser.add_argument(
        "--report",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write a report there: .md, .html, .json, or .jsonl with a line for every row; may be repeated",
    )
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="keep verdicts there, and ask only for rows without one"
    )
    parser.add_argument(
        "--on-error", choices=("raise", "skip"), default="raise", help="what to do about a damaged line"
    )
    parser.add_argument("--threshold", type=float, metavar="X", help="least cosine of mode embedding")
    parser.add_argument("--judge-base-url", metavar="URL", help="endpoint of mode judge, as of OpenAI")
    parser.add_argument("--judge-model", metavar="NAME", help="model of mode judge")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pytest_f3dx._commands._progress import Progress
    from pytest_f3dx._traces._replay import iter_replay
    from pytest_f3dx._traces._report import Report
    from pytest_f3dx._traces._size import rows_in
    from pytest_f3dx._traces._target import load_target

    _check(options)
    target = load_target(options.target, where=os.getcwd())  # noqa: PTH109 - a text for sys.path
    damaged = _Damaged()
    entries = iter_replay(
        islice(_rows(options, damaged), options.limit),
        target,
        options.mode,
        concurrency=options.concurrency,
        resume=options.resume,
        compare=_compare(options),
    )
    report = Report(options.target, options.mode)
    redact: Callable[[str], str] = _redaction() if options.report else str
    code = OK
    try:
        with ExitStack() as stack:
            stack.enter_context(closing(entries))  # type: ignore[type-var]  # it is a generator
            sinks = [stack.enter_context(_sink(path)) for path in options.report if path.suffix == ".jsonl"]
            progress = stack.enter_context(closing(Progress(lambda: _total(options, rows_in))))
            for entry in entries:
                report.add(entry)
                _write_line(sinks, entry, redact)
                progress.step()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except F3dxError:
        _say(f"{report.line()}, until this:", sys.stderr)
        raise
    return _end(report, options, damaged, code)


def _end(report: Report, options: argparse.Namespace, damaged: _Damaged, code: int) -> int:
    """Write the reports, say the sum; returns the exit code."""
    for path in options.report:
        if path.suffix != ".jsonl":
            text = _redaction()(_rendered(report, path.suffix))
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
    for entry in report.entries[:_SHOWN]:
        _say(f"row {entry.row}  {entry.status}  {entry.note}")
    left = report.failed + report.errors - min(len(report.entries), _SHOWN)
    if left:
        _say(f"… and {left} more")
    _say(report.line())
    damaged.tell()
    if code == INTERRUPTED:
        hint = "" if options.resume else "; with --resume FILE a second run asks only for the rest"
        _say(f"pytest-f3dx: interrupted{hint}", sys.stderr)
        return code
    if not report.passed + report.failed + report.errors:
        _say("pytest-f3dx: nothing was compared: no row has an output", sys.stderr)
        return USAGE
    return OK if report.ok else FOUND


def _check(options: argparse.Namespace) -> None:
    """Refuse what would only be found out after everything was asked."""
    for path in options.report:
        if path.suffix not in FORMATS:
            given = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
            raise SettingsError(f"{path} has {given}", ("accepted", ", ".join(FORMATS)))
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise SettingsError(
                f"{path} cannot be written", ("fix", "name a file in a directory that is there")
            )
    if options.limit is not None and options.limit < 1:
        raise SettingsError(f"--limit is {options.limit}", ("accepted", "whole numbers from 1 on"))
    if not options.bundle.exists():
        raise FileNotFoundError(2, os.strerror(2), str(options.bundle))


def _rows(options: argparse.Namespace, damaged: _Damaged) -> Iterator[dict[str, Any]]:
    from pytest_f3dx._traces._replay import iter_rows

    return iter_rows(options.bundle, on_error=damaged if options.on_error == "skip" else "raise")


class _Damaged:
    """Lines that were left out."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, fault: TraceError) -> None:
        self._count += 1
        if self._count <= _SHOWN:
            _say(f"left out: {fault.facts[0][1]}: {fault.what}", sys.stderr)

    def tell(self) -> None:
        if self._count:
            _say(f"{self._count} damaged line{'' if self._count == 1 else 's'} left out", sys.stderr)


def _compare(options: argparse.Namespace) -> Compare | None:
    from pytest_f3dx._diff._compare import compare
    from pytest_f3dx._diff._endpoint import EndpointJudge

    given: dict[str, Any] = {}
    if options.threshold is not None:
        given["threshold"] = options.threshold
    if options.judge_base_url or options.judge_model:
        given["judge"] = EndpointJudge(options.judge_base_url or "", options.judge_model or "")
    return functools.partial(compare, **given) if given else None


def _total(options: argparse.Namespace, rows_in: Callable[[Path], int | None]) -> int | None:
    known = rows_in(options.bundle)
    limits = [number for number in (known, options.limit) if number is not None]
    return min(limits, default=None)


def _redaction() -> Callable[[str], str]:
    """Take secrets out of what is written: it was paid for, so it is not refused."""
    from pytest_f3dx._gate import report_redaction

    return report_redaction()


def _sink(path: Path) -> Any:  # noqa: ANN401 (a file)
    return path.open("w", encoding="utf-8", errors="backslashreplace")


def _write_line(sinks: list[Any], entry: Entry, redact: Callable[[str], str]) -> None:
    if sinks:
        line = redact(json.dumps(entry.as_dict())) + "\n"
        for sink in sinks:
            sink.write(line)


def _rendered(report: Report, suffix: str) -> str:
    if suffix == ".json":
        return json.dumps(report.as_dict(), indent=2) + "\n"
    if suffix == ".md":
        from pytest_f3dx._render._replay_markdown import markdown

        return markdown(report)
    from pytest_f3dx._render._replay_html import html

    return html(report)


def _say(text: str, stream: Any = None) -> None:  # noqa: ANN401 (a text stream)
    clean = printable(text).encode("utf-8", "backslashreplace").decode()
    print(clean, file=stream or sys.stdout)
