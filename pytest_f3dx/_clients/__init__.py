"""Where requests are seen: one module for each HTTP client, and the switch that puts them in place.

None of them imports a client: a client that is not imported sends nothing. Each offers
``patches()``, the methods of the client to be wrapped while a recorder is active. vcrpy's stubs are
not used, for what they get wrong: they lift every patch of the process during a live call, so that
threads escape; they are put in place by name, so that pooled connections and names imported
earlier escape; and they replace the client's response by one of their own.
"""

from __future__ import annotations


def kind_of(error: BaseException) -> str:
    """Name the class of a transport error for a cassette.

    Args:
        error: What a client raised while its request was live.

    Returns:
        The class with its module, such as ``httpx.ReadTimeout``; built-in classes stand alone,
        such as ``ConnectionRefusedError``.
    """
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
