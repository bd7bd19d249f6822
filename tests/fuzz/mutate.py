"""A mutator that gives the same inputs for the same seed on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz.seeds import TOKENS, seeds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

_LONGEST = 65_536


def inputs(target: str, random: Random) -> Iterator[bytes]:
    """Yield the seeds of a target, then mutations of them for ever."""
    pool = seeds(target)
    yield from pool
    while True:
        data = random.choice(pool)
        for _ in range(random.choice((1, 1, 1, 2, 4, 8))):
            data = _mutated(data, random, pool)
        yield data[:_LONGEST]


def _mutated(data: bytes, random: Random, pool: list[bytes]) -> bytes:
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.choice((0, 0, 1, 1, 2, 8, 64)))
    match random.randrange(7):
        case 0:
            middle = b""
        case 1:
            middle = bytes([random.randrange(256)])
        case 6:  # a letter or digit for another, which most often leaves a file a file
            end = min(len(data), start + 1)
            middle = (
                random.choice(b"abcxyz019._-ABC").to_bytes(1, "big")
                if data[start:end].isalnum()
                else data[start:end]
            )
        case 2:
            middle = data[start:end] * random.randrange(2, 4)
        case 3:
            other = random.choice(pool)
            at = random.randrange(len(other) + 1)
            middle = other[at : at + random.choice((4, 32, 256))]
        case _:
            middle = random.choice(TOKENS)
    return data[:start] + middle + data[end:]
