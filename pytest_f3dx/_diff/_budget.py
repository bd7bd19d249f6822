"""How many live requests a run may make, over all its processes."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from pytest_f3dx._lock import locked


class Budget:
    """Counts live requests; what is counted in a file counts for all processes of a run.

    Attributes:
        limit: How many there may be; None for any number.
    """

    def __init__(self, limit: int | None, run: str) -> None:
        """Count from what the run has used already.

        Args:
            limit: How many there may be; None for any number.
            run: Id of the run, the same in all its processes.
        """
        self.limit = limit
        self._file = Path(tempfile.gettempdir()) / f"f3dx-live-{run}"
        self._guard = self._file.with_suffix(".lock")
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one; False if none is left."""
        if self.limit is None:
            return True
        with self._lock, locked(self._guard), self._file.open("ab") as file:
            if file.tell() >= self.limit:
                return False
            file.write(b".")
            return True

    def forget(self) -> None:
        """Remove the files, at the end of the run."""
        self._file.unlink(missing_ok=True)
        self._guard.unlink(missing_ok=True)
