"""``pytest-f3dx demo``: record, replay and change a test against a small server inside the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the verb."""
    parser = verbs.add_parser(
        "demo", help="record, replay and change a test against a small server inside this process"
    )
    parser.set_defaults(run=_demo)


def _demo(_: argparse.Namespace) -> int:
    from pytest_f3dx._demo import run

    return run()
