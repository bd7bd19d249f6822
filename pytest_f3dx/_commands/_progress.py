"""Progress on a terminal: a bar if tqdm is there, else a count; without a terminal nothing."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY_S = 0.2


class Progress:
    """Shows how many rows are done, on standard error."""

    def __init__(
        self, total: Callable[[], int | None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Show nothing yet.

        Args:
            total: Asked how many rows there will be, if anything is shown; None is not known.
            clock: Gives seconds.
        """
        self._clock = clock
        self._done = 0
        self._shown_at = float("-inf")
        self._is_shown = sys.stderr.isatty()
        self._bar = _bar(total()) if self._is_shown else None

    def step(self) -> None:
        """Count a row."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
        elif self._is_shown and self._clock() - self._shown_at >= _EVERY_S:
            self._shown_at = self._clock()
            self._write()

    def close(self) -> None:
        """Leave the last state standing."""
        if self._bar is not None:
            self._bar.close()
        elif self._is_shown:
            self._write()
            print(file=sys.stderr)

    def _write(self) -> None:
        print(f"\r{self._done} rows", end="", file=sys.stderr, flush=True)


def _bar(total: int | None) -> Any:  # noqa: ANN401 (a type of tqdm, which may not be there)
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, unit=" rows", file=sys.stderr, dynamic_ncols=True)
