"""Which hosts a test may connect to while nothing may be sent; the refusal names the one it may not."""

from __future__ import annotations

import ipaddress
import socket
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pytest_f3dx.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterable

_OWN = ("", "localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


def is_name(host: str) -> bool:
    """Whether a host is given by name, and has to be looked up."""
    return _address(host) is None


def is_local(host: str) -> bool:
    """Whether a host is this machine: loopback, unspecified, or its own name."""
    address = _address(host)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    bare = host.rstrip(".").lower()
    return bare in _OWN or bare.endswith(".localhost") or bare == socket.gethostname().lower()


def is_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Whether a host is one of those that are allowed.

    Args:
        host: A name or an address.
        allowed: Names (``*`` stands for any part), addresses, and networks such as ``10.0.0.0/8``.
    """
    address = _address(host)
    return any(_is_covered(host.rstrip(".").lower(), address, entry.lower()) for entry in allowed)


def _is_covered(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, entry: str) -> bool:
    if address is None:
        return fnmatchcase(host, entry)
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def refusal(host: str, test: str, *, marked: bool, fixture: str = "") -> NetworkError:
    """Build the error of a connection that was refused.

    Args:
        host: Name or address, with the port if it is known.
        test: Node id, or what else is going on.
        marked: Whether the test is marked, so that its requests are recorded.
        fixture: The fixture that connects, if it is one.
    """
    about = [("fixture", fixture)] if fixture else []
    name = host.rpartition(":")[0] or host
    if marked:
        why = "record mode none, and no client that f3dx intercepts sends this"
        fix = f'if it belongs to the test: f3dx_cache(allow_hosts=["{name}"]), or f3dx_allow_hosts for all'
    else:
        why = "f3dx_block_network is on, and the test is not marked with f3dx_cache"
        fix = f'mark it with f3dx_cache to record it, or let it: @pytest.mark.f3dx_network("{name}")'
    return NetworkError(
        "a connection to the network was refused",
        *about,
        ("test", test),
        ("host", host),
        ("reason", why),
        ("fix", fix),
    )
