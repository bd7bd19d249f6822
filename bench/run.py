"""Measure pytest-f3dx beside its peers and print one table; see README.md beside this file."""

from __future__ import annotations

import argparse
import importlib
import platform
from pathlib import Path

PARTS = ("replay", "startup", "large", "digest", "record", "save", "traces")


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--rounds", type=int, default=7, help="how often each tool is measured in turn")
    parser.add_argument("--only", default="", help="rows of which the name contains this")
    parser.add_argument("--work", type=Path, default=Path("/tmp/f3dx-bench"), help="environments and suites")
    options = parser.parse_args()
    print(f"CPython {platform.python_version()}, {platform.machine()}, median of {options.rounds} rounds")
    for part in options.parts or PARTS:
        for row in importlib.import_module(part).rows(options.work, options.rounds, options.only):
            print("\n".join(row.lines()), flush=True)


if __name__ == "__main__":
    main()
