"""Content encodings are undone, or body and headers stay true about each other."""

from __future__ import annotations

import gzip
import sys
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_f3dx import _content
from pytest_f3dx._content import decoded, is_json, media_type, parameters

TEXT = b'{"answer": "' + b"forty-two " * 2000 + b'"}'


def raw_deflate(body: bytes) -> bytes:
    """Deflate without the zlib envelope."""
    encoder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return encoder.compress(body) + encoder.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": bytes,
}


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoding_is_undone_and_its_header_dropped(name: str) -> None:
    """The body is what was encoded; every other header stays, in order."""
    headers = (("X-A", "1"), ("Content-Encoding", name.upper()), ("x-b", "2"))
    assert decoded(headers, ENCODERS[name](TEXT)) == ((("X-A", "1"), ("x-b", "2")), TEXT)


def test_raw_deflate_is_undone() -> None:
    """A server that sends deflate without zlib's envelope is understood."""
    assert decoded((("content-encoding", "deflate"),), raw_deflate(TEXT)) == ((), TEXT)


@pytest.mark.parametrize(
    "headers",
    [(("content-encoding", "gzip, br"),), (("content-encoding", "gzip"), ("Content-Encoding", " br ,"))],
)
def test_several_encodings_are_undone_in_reverse_order(headers: tuple[tuple[str, str], ...]) -> None:
    """Encodings in one header or in two mean the same."""
    assert decoded(headers, brotli.compress(gzip.compress(TEXT))) == ((), TEXT)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_all_members_of_a_body_count(name: str) -> None:
    """A gzip body of several members, or a zstd body of several frames, is their concatenation."""
    encode = ENCODERS[name]
    assert decoded((("content-encoding", name),), encode(TEXT) + encode(b"") + encode(b"more")) == (
        (),
        TEXT + b"more",
    )


def test_an_empty_body_has_no_encoding() -> None:
    """The answer to a HEAD request may name an encoding; nothing is encoded."""
    assert decoded((("content-encoding", "gzip"), ("a", "b")), b"") == ((("a", "b"),), b"")


def test_without_an_encoding_nothing_changes() -> None:
    """The very same headers come back."""
    headers = (("a", "b"),)
    assert decoded(headers, TEXT) == (headers, TEXT)
    assert decoded(headers, TEXT)[0] is headers


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd", "compress", "gzip, aes128gcm"])
def test_a_body_that_is_not_what_it_says_stays_as_it_is(name: str) -> None:
    """Plain text under an encoding, or an unknown encoding, changes neither headers nor body."""
    headers = (("content-encoding", name),)
    assert decoded(headers, TEXT) == (headers, TEXT)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("damage", ["cut", "continued"])
def test_a_damaged_body_stays_as_it_is(name: str, damage: str) -> None:
    """A body cut off, or one that goes on after its end, is never half decoded."""
    whole = ENCODERS[name](TEXT)
    body = whole[:-3] if damage == "cut" else whole + b"?" * 9000
    headers = (("content-encoding", name),)
    assert decoded(headers, body) == (headers, body)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_decompression_bomb_stays_encoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that decodes to more than the limit is kept as it was received; at the limit it is undone."""
    headers = (("content-encoding", name),)
    body = ENCODERS[name](b"\0" * 100_000)
    monkeypatch.setattr(_content, "MAX_DECODED_BYTES", 99_999)
    assert decoded(headers, body) == (headers, body)
    monkeypatch.setattr(_content, "MAX_DECODED_BYTES", 100_000)
    assert decoded(headers, body) == ((), b"\0" * 100_000)


@pytest.mark.parametrize(
    ("name", "modules"), [("br", ["brotli", "brotlicffi"]), ("zstd", ["compression.zstd", "zstandard"])]
)
def test_without_its_library_an_encoding_stays(
    name: str, modules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An absent extra is no error: header and body stay true about each other."""
    headers, body = (("content-encoding", name),), ENCODERS[name](TEXT)
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    assert decoded(headers, body) == (headers, body)


class StandardZstd:
    """Stands in for compression.zstd of Python 3.14, by its documented interface."""

    __name__ = "compression.zstd"

    @staticmethod
    def ZstdDecompressor() -> object:
        """Return a decompressor with eof, unused_data and decompress."""
        return zstandard.ZstdDecompressor().decompressobj()


def test_the_standard_library_undoes_zstd_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.14 on no extra is needed."""
    body = zstandard.ZstdCompressor().compress(TEXT)
    monkeypatch.setitem(sys.modules, "compression", StandardZstd)
    monkeypatch.setitem(sys.modules, "compression.zstd", StandardZstd())
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert decoded((("content-encoding", "zstd"),), body) == ((), TEXT)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=200), st.lists(st.sampled_from([*ENCODERS, "compress", ""]), max_size=4))
def test_decoding_is_total(body: bytes, names: list[str]) -> None:
    """Whatever the bytes and the header say, nothing is raised, and an undone body has no encoding left."""
    headers = (("content-encoding", ", ".join(names)), ("a", "b"))
    assert decoded(headers, body)[0] in {headers, headers[1:]}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.binary(min_size=1, max_size=500), st.lists(st.sampled_from(list(ENCODERS)), min_size=1, max_size=4))
def test_decoding_undoes_encoding(body: bytes, names: list[str]) -> None:
    """Any body under any row of encodings comes back."""
    sent = body
    for name in names:
        sent = ENCODERS[name](sent)
    assert decoded((("content-encoding", ",".join(names)),), sent) == ((), body)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Application/JSON", ("application/json", {})),
        (" text/html ;Charset=UTF-8", ("text/html", {"charset": "UTF-8"})),
        (
            'multipart/form-data; boundary="a;b \\"c\\""; x=1',
            ("multipart/form-data", {"boundary": 'a;b "c"', "x": "1"}),
        ),
        ("a/b; x=1; X=2; broken; y=", ("a/b", {"x": "1", "y": ""})),
        ("", ("", {})),
        (";;==", ("", {})),
    ],
)
def test_a_media_type_is_split_from_its_parameters(value: str, expected: tuple[str, dict[str, str]]) -> None:
    """Type and names are lower case, quotes are undone, the first of a name counts."""
    assert media_type((("a", "b"), ("Content-Type", value), ("content-type", "other/type"))) == expected


def test_no_content_type_is_no_media_type() -> None:
    """Absent and empty are the same."""
    assert media_type((("a", "b"),)) == ("", {})


def test_a_backslash_of_windows_survives() -> None:
    """Browsers do not escape backslashes in file names, so only escaped quotes and backslashes are undone."""
    assert parameters('form-data; filename="C:\\dir\\a"')[1] == {"filename": "C:\\dir\\a"}


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        ("application/json", True),
        ("text/json", True),
        ("application/problem+json", True),
        ("application/x-ndjson", False),
        ("application/json-seq", False),
        ("text/plain", False),
        ("", False),
    ],
)
def test_json_is_told_by_its_media_type(media: str, *, expected: bool) -> None:
    """JSON and +json are JSON; its line-wise relatives are not."""
    assert is_json(media) is expected
