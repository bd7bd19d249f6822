"""Which characters a cassette may hold raw: those that YAML takes for themselves, looked for in its bytes."""

from __future__ import annotations

import re

# What YAML takes for a line end, for a mark of its own, or refuses: C1 controls; LS, PS; BOM, U+FFFE, U+FFFF.
# By the first bytes, which are looked for before: that is twenty times as fast.
_ODD = {
    b"\xc2": re.compile(rb"\xc2[\x80-\x9f]"),
    b"\xe2\x80": re.compile(rb"\xe2\x80[\xa8\xa9]"),
    b"\xef": re.compile(rb"\xef(?:\xbb\xbf|\xbf[\xbe\xbf])"),
}


def is_odd(data: bytes) -> bool:
    """Tell whether a text holds characters beyond ASCII that YAML does not take for themselves.

    Args:
        data: UTF-8.
    """
    return not data.isascii() and any(first in data and odd.search(data) for first, odd in _ODD.items())
