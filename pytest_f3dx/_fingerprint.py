"""A redacted request -> its envelope -> canonical bytes -> a digest. Pure.

``jcs-blake3/1``: the fingerprint is BLAKE3 over the canonical form of the envelope

    {"method": "POST", "url": "https://host/path", "query": [[name, value], ...],
     "headers": [[name, value], ...], "body": {kind: value}}

in which ``query``, ``headers`` and ``body`` are absent if there is nothing to say. Spellings that
mean the same are one: key order and numbers of JSON, percent-encoding of queries and forms,
boundaries, default ports. In doubt two requests differ: a miss costs a recording, a wrong hit a
wrong answer.
"""

from __future__ import annotations

import re
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from pytest_f3dx._canonical import canonical
from pytest_f3dx._model import header
from pytest_f3dx._payload import decoded_pairs, jsonpath, loosened, read_body, readable, unchanged
from pytest_f3dx.errors import SettingsError

if TYPE_CHECKING:
    from pytest_f3dx._model import Headers, Request
    from pytest_f3dx._payload import Pairs, Substitute

_Replace = tuple[tuple[str, str], ...]

# RFC 3986 appendix B. `urlsplit` raises for what a client may send, and drops control characters.
_URL = re.compile(r"(?:([^:/?#]+)://)?([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL)
_PORT = re.compile(r":([0-9]*)\Z")
_DEFAULT_PORT = {"http": "80", "https": "443", "ws": "80", "wss": "443"}
_ESCAPED = re.compile("%[0-9A-Fa-f]{2}")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 sec. 5.6.2


def fingerprint(mapping: object) -> str:
    """Digest a JSON value so that equal values have equal digests: BLAKE3 over RFC 8785.

    Total over JSON: what RFC 8785 excludes (integers beyond ±(2^53 - 1), NaN, lone surrogates, any
    depth) is digested under a tag of its own, all digits counting.

    Args:
        mapping: A dict as a rule; any value that JSON can express. Tuples are arrays.

    Returns:
        64 lower-case hex digits.

    Raises:
        TypeError: Something in it is no JSON value, such as a set; names its JSONPath.
    """
    return blake3(canonical(mapping)).hexdigest()


def digest(mapping: object) -> bytes:
    """Return the 32 bytes that `fingerprint` spells."""
    return blake3(canonical(mapping)).digest()


def fingerprint_request(
    request: Request,
    *,
    match_headers: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    replace: _Replace = (),
) -> str:
    """Digest a request so that equal requests find the same interaction.

    Args:
        request: Already redacted, content encoding undone.
        match_headers: See `envelope`.
        ignore: See `envelope`.
        replace: See `envelope`.

    Returns:
        ``b3:`` and 64 lower-case hex digits; for every request, whatever its bytes are.
    """
    built = envelope(request, match_headers=match_headers, ignore=ignore, replace=replace)
    return f"b3:{fingerprint(built)}"


def raw_digest(request: Request) -> str:
    """Digest all that `fingerprint_request` looks at, as it was sent, but for headers that are to match.

    Requests with the same raw digest have the same fingerprint, whatever the settings are. Nothing is parsed.

    Args:
        request: Content encoding undone.

    Returns:
        64 lower-case hex digits.
    """
    media = header(request.headers, "content-type")
    parts = (request.method, request.uri, "" if media is None else f"={media}")
    head = "".join([f"{len(part)}:{part}" for part in parts])
    return blake3(head.encode("utf-8", "surrogatepass") + request.body).hexdigest()


def envelope(
    request: Request,
    *,
    match_headers: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    replace: _Replace = (),
) -> dict[str, Any]:
    """Build what is digested.

    Args:
        request: Already redacted, content encoding undone.
        match_headers: Names of headers that count; they compare without case, and their order does not.
        ignore: JSONPaths (RFC 9535) taken out of JSON bodies. A form is taken as an object of arrays:
            ``$.state`` takes out every field of that name, ``$.state[0]`` the first.
        replace: (regex, placeholder) pairs, applied in order with `re.sub` to the URL path, query
            values, strings and keys of JSON bodies, form values, multipart fields without a file
            name, and text bodies.

    Returns:
        The envelope; see the module.
    """
    substitute = _substitution(replace)
    url, query = _normalised(request.uri, substitute)
    built: dict[str, Any] = {"method": request.method.upper(), "url": url}
    if query:
        built["query"] = sorted(([name, substitute(value)] for name, value in query), key=itemgetter(0))
    if headers := _matched(request.headers, match_headers):
        built["headers"] = headers
    if body := read_body(request):
        kind, value = body
        built["body"] = {kind: loosened(kind, value, ignore, substitute)}
    return built


def parsed_body(request: Request) -> tuple[str, object] | None:
    """Return what the body of a request says, for a reader: nothing ignored, nothing replaced.

    Args:
        request: Already redacted, content encoding undone.

    Returns:
        Its kind in the envelope, and plain dicts, lists and scalars; None if there is no body. In an
        object with repeated keys, ``a``, ``a (2)`` and ``a (3)`` stand for the three values of ``a``.
    """
    body = read_body(request)
    if body is None:
        return None
    kind, value = body
    return kind, readable(loosened(kind, value, (), unchanged))


def check_settings(
    ignore: tuple[str, ...] = (), replace: _Replace = (), match_headers: tuple[str, ...] = ()
) -> None:
    """Refuse settings that no request could be fingerprinted with.

    Args:
        ignore: JSONPaths.
        replace: (regex, placeholder) pairs.
        match_headers: Names of headers.

    Raises:
        SettingsError: One of them is invalid; says which and why.
    """
    for path in ignore:
        _check_path(path)
    for pattern, placeholder in replace:
        _check_replacement(pattern, placeholder)
    for name in match_headers:
        if not _TOKEN.fullmatch(name):
            fact = ("accepted", "names of headers, such as 'x-tenant'")
            raise SettingsError(f"match_headers holds {name!r}", fact)


def _check_path(path: str) -> None:
    from jsonpath import JSONPathError

    try:
        jsonpath(path)
    # args, because str() of python-jsonpath 2.2.2's errors itself fails for an empty path
    except JSONPathError as error:
        fact = ("accepted", "JSONPaths by RFC 9535, such as '$.metadata.request_id'")
        raise SettingsError(f"ignore holds {path!r}", ("why", str(error.args[0])), fact) from error


def _check_replacement(pattern: str, placeholder: str) -> None:
    try:
        re.compile(pattern).sub(placeholder, "")  # checks the placeholder's \1 and \g<name> too
    except (re.error, IndexError, OverflowError, RecursionError) as error:
        fact = ("accepted", "pairs of a regular expression and what re.sub may put in its place")
        raise SettingsError(f"replace holds {(pattern, placeholder)!r}", ("why", str(error)), fact) from error


# --- URL and headers


def _normalised(uri: str, substitute: Substitute) -> tuple[str, Pairs]:
    """Split a URI into its normal form without query, and the decoded pairs of its query.

    Scheme and host are compared without case (RFC 3986 sec. 6.2.2.1), a host is otherwise left as
    sent. In the path only the case of percent-encodings is unified: ``%2F`` is no ``/``.
    """
    root, path, query = _split(uri)
    return root + substitute(path), decoded_pairs(query) if query else []


@lru_cache(maxsize=128)  # a suite has few addresses
def _split(uri: str) -> tuple[str, str, str]:
    """Split a URI into scheme and host, path, and query, the former two in their normal form."""
    scheme, authority, path, query = _URL.findall(uri)[0]  # it matches every string as a whole
    scheme = scheme.lower()
    path = _ESCAPED.sub(lambda escape: escape.group().upper(), path or "/")
    return f"{scheme}://{_host(authority, scheme)}", path, query


def _host(authority: str, scheme: str) -> str:
    """Drop userinfo and a default port, in whatever spelling."""
    host = authority.rpartition("@")[2].lower()
    port = _PORT.search(host)
    if port is None:
        return host
    number = port[1].lstrip("0") or port[1][:1]
    bare = host[: port.start()]
    return bare if number in {"", _DEFAULT_PORT.get(scheme)} else f"{bare}:{number}"


def _matched(headers: Headers, names: tuple[str, ...]) -> list[list[str]]:
    """Pick the headers that count, sorted by name, in their order among equal names."""
    wanted = {name.lower() for name in names}
    found = [[name.lower(), value.strip()] for name, value in headers if name.lower() in wanted]
    return sorted(found, key=itemgetter(0))


def _substitution(replace: _Replace) -> Substitute:
    if not replace:
        return unchanged
    compiled = [(re.compile(pattern), placeholder) for pattern, placeholder in replace]

    def substitute(text: str) -> str:
        for pattern, placeholder in compiled:
            text = pattern.sub(placeholder, text)
        return text

    return substitute
