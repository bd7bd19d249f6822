"""From facts to text; nothing here decides or prints."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_f3dx._review._model import Context, Report

    Renderer = Callable[[Report, Context], str]

FORMATS = {
    "text": "_text",
    "markdown": "_markdown",
    "html": "_html",
    "json": "_json",
}
"""The module of each format, loaded when it is used; it offers ``render(report, context) -> str``."""


def renderer(name: str) -> Renderer:
    """Load the renderer of a format.

    Args:
        name: One of `FORMATS`.
    """
    module = importlib.import_module(f"{__name__}.{FORMATS[name]}")
    return cast("Renderer", module.render)
