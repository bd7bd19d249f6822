"""What a recorder sees of a cassette, however much of it has been read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pytest_f3dx._answers import Known
    from pytest_f3dx._model import Cassette, Interaction, Response


class View(Protocol):
    """What a recorder needs of an opened cassette."""

    @property
    def fingerprints(self) -> Collection[str]:
        """Every fingerprint, in the order of the file."""

    def get(self, fingerprint: str) -> Interaction | None:
        """Return the interaction of a fingerprint, or None."""

    def responses(self, fingerprint: str) -> list[Response] | None:
        """Return the responses of a fingerprint, or None; cheaper than the whole interaction."""

    def load_all(self) -> Cassette:
        """Return the whole cassette."""

    def raw(self, fingerprint: str) -> bytes | None:
        """Return an interaction as it stands in the file; None if the file was read otherwise than by us."""


class Loaded:
    """A view of a cassette that is in memory."""

    def __init__(self, cassette: Cassette) -> None:
        """Show a cassette."""
        self._cassette = cassette
        self.fingerprints = cassette.interactions.keys()

    def get(self, fingerprint: str) -> Interaction | None:
        """See `View`."""
        return self._cassette.interactions.get(fingerprint)

    def responses(self, fingerprint: str) -> list[Response] | None:
        """See `View`."""
        found = self._cassette.interactions.get(fingerprint)
        return found.responses if found else None

    def load_all(self) -> Cassette:
        """See `View`."""
        return self._cassette

    def raw(self, fingerprint: str) -> None:
        """See `View`."""


class Remembered:
    """A view of a cassette of which earlier runs have learnt the answers; it is read when they do not do."""

    def __init__(self, known: Known, read: Callable[[], View]) -> None:
        """Read nothing yet, if something is known.

        Args:
            known: What is known.
            read: Reads the cassette; called once at most.

        Raises:
            CassetteError: Nothing is known, and it cannot be read or understood.
        """
        self._known, self._read = known, read
        self._view: View | None = None
        if not known.fingerprints:
            self.whole()

    def whole(self) -> View:
        """Read the cassette, once."""
        if self._view is None:
            self._view = self._read()
        return self._view

    @property
    def fingerprints(self) -> Collection[str]:
        """See `View`."""
        return self._view.fingerprints if self._view is not None else self._known.fingerprints

    def get(self, fingerprint: str) -> Interaction | None:
        """See `View`."""
        return self.whole().get(fingerprint)

    def responses(self, fingerprint: str) -> list[Response] | None:
        """See `View`."""
        if self._view is None:
            found = self._known.responses(fingerprint)
            if found is not None or fingerprint not in self._known.fingerprints:
                return found
        return self.whole().responses(fingerprint)

    def load_all(self) -> Cassette:
        """See `View`."""
        return self.whole().load_all()

    def raw(self, fingerprint: str) -> bytes | None:
        """See `View`."""
        return self.whole().raw(fingerprint)
