"""Hooks that a conftest.py may implement. They see live traffic only: loading a cassette runs none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_f3dx._model import Request, Response


@pytest.hookspec(firstresult=True)
def pytest_f3dx_passthrough(request: Request, item: pytest.Item) -> bool | None:
    """Say whether a request goes to the network unrecorded, in every record mode.

    For servers that belong to the test itself, such as the application under test on loopback.
    Such a request counts as live in the summary.

    Args:
        request: As the client sends it, not redacted.
        item: The test that is running.

    Returns:
        True to let it pass; None to leave the decision to others. Stops at the first answer.
    """


@pytest.hookspec(firstresult=True)
def pytest_f3dx_edit_response(request: Request, response: Response, item: pytest.Item) -> Response | None:
    """Change a response before it is kept; what the test itself sees stays as it was received.

    Args:
        request: Redacted.
        response: Redacted, content encoding undone. Use ``dataclasses.replace`` to change it.
        item: The test that is running.

    Returns:
        What to keep instead; None to leave it as it is. Stops at the first answer.
    """
