"""Static word vectors out of an installed package (wordllama): nothing is ever downloaded."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

from pytest_f3dx.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Embed = Callable[[list[str]], Sequence[Sequence[float]]]


def embed(texts: list[str]) -> Sequence[Sequence[float]]:
    """Return a vector for each text.

    Raises:
        SettingsError: The extra is not installed.
    """
    vectors: Sequence[Sequence[float]] = _model().embed(texts)
    return vectors


@cache
def _model() -> Any:  # noqa: ANN401 (its package has no types)
    """Load the model; some tens of milliseconds, once a process."""
    try:
        import wordllama
    except ImportError:
        raise SettingsError(
            "mode 'embedding' needs the package wordllama",
            ("fix", "pip install 'pytest-f3dx[embedding]'"),
            ("or", "give compare() a callable: embed=lambda texts: vectors"),
        ) from None
    from pathlib import Path

    # A plain load() looks in the user's cache and then downloads; the weights are in the wheel.
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of two vectors, 0 if one of them is null or they are of different lengths."""
    if len(one) != len(other):
        return 0.0
    dot = math.fsum(float(a) * float(b) for a, b in zip(one, other, strict=True))
    norms = math.sqrt(math.fsum(float(a) ** 2 for a in one) * math.fsum(float(b) ** 2 for b in other))
    return dot / norms if norms else 0.0
