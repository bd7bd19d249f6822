"""A mark for the YAML writer; a module of its own, because the writer is slow to import and rarely needed."""

from __future__ import annotations


class Flow(dict[str, str | int]):
    """A mapping that stands on one line, ``{a: b}``, if it is short."""
