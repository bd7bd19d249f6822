"""Run the fuzz targets: ``python -m tests.fuzz --runs 100000``; with --guided, by atheris and its coverage."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

from tests.fuzz.mutate import inputs
from tests.fuzz.seeds import TOKENS, seeds
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Parse and run.

    Returns:
        0 if nothing was found, 1 after the first fault, whose input is written to ``--found``.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all without any")
    parser.add_argument("--runs", type=int, default=2000, help="inputs for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--found", type=Path, default=Path("fuzz-found.bin"))
    parser.add_argument("--guided", action="store_true", help="by coverage, with atheris, one target")
    options = parser.parse_args()
    chosen = options.targets or list(TARGETS)
    if unknown := set(chosen) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if options.guided:
        return _guided(chosen[0], options.runs, options.seed)
    return max(_mutated(name, options.runs, options.seed, options.found) for name in chosen)


def _mutated(name: str, runs: int, seed: int, found: Path) -> int:
    ended: Counter[str] = Counter()
    for data in islice(inputs(name, Random(seed)), runs):
        try:
            ended[TARGETS[name](data)] += 1
        except BaseException:
            found.write_bytes(data)
            print(f"{name}: a fault after {ended.total()} inputs; the input is in {found}", file=sys.stderr)
            raise
    print(f"{name}: {ended.total()} inputs, {', '.join(f'{n} {word}' for word, n in sorted(ended.items()))}")
    return 0


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def _guided(name: str, runs: int, seed: int) -> int:
    import atheris  # not a dependency: pip install atheris

    folder = Path(f"fuzz-corpus-{name}")
    folder.mkdir(exist_ok=True)
    for number, data in enumerate(seeds(name)):
        (folder / f"seed-{number}").write_bytes(data)
    words = folder.with_suffix(".dict")
    words.write_text("".join(f'"{_escaped(token)}"\n' for token in TOKENS), encoding="ascii")
    arguments = [
        sys.argv[0],
        f"-runs={runs}",
        f"-seed={seed}",
        f"-dict={words}",
        "-max_len=65536",
        str(folder),
    ]
    atheris.instrument_all()
    atheris.Setup(arguments, lambda data: TARGETS[name](data) and None)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
