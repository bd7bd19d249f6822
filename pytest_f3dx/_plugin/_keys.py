"""Supplies placeholders for the keys of SDKs to the tests that are replayed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_f3dx._placeholders import KNOWN, Placeholders

if TYPE_CHECKING:
    from collections.abc import Collection

    import pytest


class Keys:
    """Placeholders for the keys of SDKs, in place from the first replayed test to the next other one."""

    def __init__(self, names: Collection[str] | None, replayed: Collection[str], *, is_replay: bool) -> None:
        """Note what to supply, and to which tests.

        Args:
            names: Environment variables; None: those of known SDKs.
            replayed: Node ids of the marked tests that record nothing.
            is_replay: Whether fixtures that a test without marker is the first to need record nothing.
        """
        self._is_replay = is_replay
        self._placeholders = Placeholders(os.environ, KNOWN if names is None else names)
        self._replayed = replayed
        self._supplied: list[str] = []

    def before(self, item: pytest.Item) -> None:
        """Supply them to a replayed test, take them away from any other."""
        if item.nodeid in self._replayed:
            self._put()
        else:
            self.take()

    def before_fixture(self) -> None:
        """Supply them to a fixture that a test without marker is the first to need."""
        if self._is_replay:
            self._put()

    def _put(self) -> None:
        self._supplied += self._placeholders.put()

    def take(self) -> None:
        """Take them away."""
        self._placeholders.take()

    def news(self) -> list[str]:
        """Return what was supplied since this was last asked."""
        supplied, self._supplied = self._supplied, []
        return supplied
