"""JSONPath text for a place in a JSON value."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(r"[A-Za-z_]\w*")


def json_path(parts: Iterable[object]) -> str:
    """Write the keys and indices that lead to a place as a JSONPath such as ``$.choices[0]["a b"]``."""
    path = "$"
    for part in parts:
        if isinstance(part, str) and _NAME.fullmatch(part):
            path += f".{part}"
        else:
            path += f"[{json.dumps(part, ensure_ascii=False)}]"
    return path
