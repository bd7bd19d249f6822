"""ssl: certificates of authorities are loaded when a connection is made, not when a client is built.

Building `OpenAI()`, `httpx.Client()` or an `HTTPSConnection` takes 25 to 50 ms, nearly all of it for reading
certificates that a replay never uses. A context made in a marked test gets them at its first handshake; until
then it is a `ssl.SSLContext` in every respect but its exact type, and has no certificate, so that nothing it
could be used for verifies. What looks at its certificates loads them too.

In a test that only replays they are not loaded even then: whatever got there was not seen by us and must not
go live. Its handshake fails, before any of the request is sent.

Only the bundles that clients use by default are waited with: certifi's and those of OpenSSL. Files and
directories of the user's, client certificates and contexts made elsewhere are left alone.
"""

from __future__ import annotations

import os
import ssl
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_f3dx._clients._exchange import Patch
from pytest_f3dx._routing import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODULES: frozenset[str] = frozenset()  # http.client has imported ssl

_Bundle = tuple[str | None, str | None]  # a file and a directory
_CONTEXT = ssl.SSLContext
_BASE: Any = _CONTEXT.__mro__[1]  # the class in C: nothing of it is ever patched
# What clients read by default besides certifi's file: where systems keep theirs (httpcore2 and truststore
# know the same ones), and the paths OpenSSL was built with.
_PATHS = ssl.get_default_verify_paths()
_SYSTEM = frozenset(
    "/etc/ssl/cert.pem /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/pki/tls/cert.pem "
    "/etc/ssl/certs/ca-certificates.crt /etc/ssl/ca-bundle.pem".split()
) | {_PATHS.openssl_cafile, _PATHS.openssl_capath}
_OF_OPENSSL: _Bundle = (None, None)  # stands for `set_default_verify_paths`
_WHY = (
    "f3dx: the test only replays, and this connection was not seen by it, so no CA certificates were loaded "
    "(f3dx_fast_tls = off in the ini file loads them)"
)
_lock = threading.Lock()


def patches() -> Iterator[Patch]:
    """Yield the two methods that read certificates, unless truststore has put its own class in place."""
    if _CONTEXT.__module__ == "ssl":
        yield Patch(_CONTEXT, "load_verify_locations", _wrap_load)
        yield Patch(_CONTEXT, "set_default_verify_paths", _wrap_defaults)


def _wrap_load(original: Callable[..., Any] | None) -> Callable[..., Any]:
    really = original or _BASE.load_verify_locations

    def load_verify_locations(
        self: ssl.SSLContext,
        cafile: Any = None,  # noqa: ANN401 (as ssl has it)
        capath: Any = None,  # noqa: ANN401
        cadata: Any = None,  # noqa: ANN401
    ) -> None:
        is_default = cadata is None and (cafile or capath) and _is_default(cafile) and _is_default(capath)
        if not is_default or not _waits(self, (cafile, capath)):
            really(self, cafile, capath, cadata)

    return load_verify_locations


def _wrap_defaults(original: Callable[..., Any] | None) -> Callable[..., Any]:
    really = original or _BASE.set_default_verify_paths

    def set_default_verify_paths(self: ssl.SSLContext) -> None:
        is_default = not any(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
        if not is_default or not _waits(self, _OF_OPENSSL):
            really(self)

    return set_default_verify_paths


def _is_default(path: object) -> bool:
    """Whether this is certifi's file, or the system's, and there; nothing at all is none of the user's."""
    if path is None:
        return True
    certifi = sys.modules.get("certifi")
    is_known = path in _SYSTEM or (certifi is not None and path == certifi.where())
    return is_known and isinstance(path, str) and Path(path).exists()


def _waits(context: ssl.SSLContext, bundle: _Bundle) -> bool:
    """Note what a context is to load later; no, if it is not one of a marked test's own."""
    recorder: Any = current()
    if recorder is None or not getattr(recorder, "has_late_tls", False):
        return False
    if type(context) is _CONTEXT:
        context.__class__ = LateContext
        vars(context)["_f3dx_bundles"] = []
    if type(context) is not LateContext:
        return False
    if bundle not in context.bundles():
        context.bundles().append(bundle)
    return True


class _Socket(ssl.SSLSocket):
    """A socket whose handshake says why it fails."""

    def do_handshake(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (as ssl has it)
        with _explained():
            super().do_handshake(*args, **kwargs)


class _Object(ssl.SSLObject):
    """What asyncio, anyio and trio use in place of a socket."""

    def do_handshake(self) -> None:
        with _explained():
            super().do_handshake()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        error.strerror = f"{error.strerror}; {_WHY}"
        raise


class LateContext(_CONTEXT):
    """A context that has yet to load its certificates; it becomes an `ssl.SSLContext` when it does."""

    sslsocket_class = _Socket
    sslobject_class = _Object

    def bundles(self) -> list[_Bundle]:
        """Return what it is to load."""
        found: list[_Bundle] = vars(self)["_f3dx_bundles"]
        return found

    def _load(self) -> None:
        """Load what was waited with; several threads may connect at once."""
        with _lock:
            if type(self) is not LateContext:
                return
            for bundle in self.bundles():
                if bundle == _OF_OPENSSL:
                    _BASE.set_default_verify_paths(self)
                else:
                    _BASE.load_verify_locations(self, *bundle)
            del vars(self)["_f3dx_bundles"]
            self.__class__ = _CONTEXT  # type: ignore[assignment]  # mypy: it is no LateContext any more

    def _connect(self, *, server_side: bool = False, **_: object) -> None:
        """Load what a handshake needs, unless the test only replays: then it must fail."""
        recorder: Any = current()
        if server_side or recorder is None or not getattr(recorder, "is_replaying", bool)():
            self._load()

    def wrap_socket(self, sock: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (as ssl has it)
        """See `ssl.SSLContext.wrap_socket`."""
        self._connect(**kwargs)
        return _CONTEXT.wrap_socket(self, sock, *args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (as ssl has it)
        """See `ssl.SSLContext.wrap_bio`."""
        self._connect(**kwargs)
        return _CONTEXT.wrap_bio(self, *args, **kwargs)

    def get_ca_certs(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (as ssl has it)
        """See `ssl.SSLContext.get_ca_certs`."""
        self._load()
        return _CONTEXT.get_ca_certs(self, *args, **kwargs)

    def cert_store_stats(self) -> Any:  # noqa: ANN401 (as ssl has it)
        """See `ssl.SSLContext.cert_store_stats`."""
        self._load()
        return _CONTEXT.cert_store_stats(self)


LateContext.__name__, LateContext.__qualname__, LateContext.__module__ = "SSLContext", "SSLContext", "ssl"
