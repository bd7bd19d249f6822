"""An interaction found without parsing YAML is the one the full parser finds; any doubt goes to the latter."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_f3dx import _cassette, _index, _yaml_read
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._index import LazyCassette, open_cassette
from pytest_f3dx._model import Cassette, Interaction, Request, Response
from pytest_f3dx.errors import CassetteAccessError, CassetteError

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
PATH = Path("some.yaml")
STORE = BlobStore(Path("nowhere"))
NASTY = [
    b'{"a": "x"}',
    b"a\n\n\nb\n\n\n",
    b"...\n---\n  b3:" + b"0" * 64 + b":\n",
    b"interactions:\nformat: f3dx/1\n",
    b"  b3:" + b"1" * 64 + b":\n    request:\n",
    b"\xff\xfe\0",
    "\u2028 \x85 \x1b ä".encode(),
    b"",
    b"{}",
]
BODIES = st.sampled_from(NASTY) | st.text("ab \n:b3-#.", max_size=20).map(str.encode)


def _key(number: int) -> str:
    return f"b3:{number:064x}"


def _make(bodies: list[bytes]) -> Cassette:
    cassette = Cassette("tests/a.py::b", ignore=("$.a",), replace=(("x", "y"),), match_headers=("accept",))
    for number, body in enumerate(bodies):
        request = Request("POST", "https://h/", (("content-type", "text/plain"),), body)
        cassette.interactions[_key(number)] = Interaction(
            _key(number), request, [Response(200, "OK", (), body)]
        )
    return cassette


def _unchanged(text: str) -> str:
    return text


def _reordered(text: str) -> str:
    """Move the first interaction behind the last one."""
    head, *parts = text.removesuffix("...\n").split("  b3:0")
    return head + "".join("  b3:0" + part for part in [*parts[1:], *parts[:1]]) + "...\n"


def _commented(text: str) -> str:
    return text.replace("interactions:\n", "interactions:\n  # by hand\n", 1)


def _commented_deeper(text: str) -> str:
    return text.replace("    responses:\n", "    # by hand\n    responses:\n")


def _quoted_keys(text: str) -> str:
    return text.replace("  b3:", '  "b3:').replace(":\n    request:", '":\n    request:')


def _spaced_keys(text: str) -> str:
    return text.replace(":\n    request:", ": # note\n    request:")


def _crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def _header_last(text: str) -> str:
    return text.replace("test: tests/a.py::b\n", "").replace("...\n", "test: tests/a.py::b\n...\n")


def _other_comment(text: str) -> str:
    return "# mine\n" + text


EDITS = [
    _unchanged,
    _reordered,
    _commented,
    _commented_deeper,
    _quoted_keys,
    _spaced_keys,
    _crlf,
    _header_last,
    _other_comment,
]


@given(bodies=st.lists(BODIES, max_size=4), edit=st.sampled_from(EDITS))
@QUICK
def test_lazy_and_full_agree(bodies: list[bytes], edit: object) -> None:
    """As written, reordered, edited by hand or with CRLF: header, order and interactions are the same."""
    assert callable(edit)
    text = _cassette.dump(_make(bodies), STORE)
    if edit in (_reordered, _quoted_keys, _spaced_keys, _header_last) and any(
        b"b3:" in body for body in bodies
    ):
        return  # the edit would change the bodies as well
    data: bytes = edit(text).encode()

    full = _cassette.load(data, PATH, STORE)
    lazy = LazyCassette(data, PATH, STORE)

    assert (lazy.test, lazy.ignore, lazy.replace) == (full.test, full.ignore, full.replace)
    assert lazy.match_headers == full.match_headers
    assert lazy.fingerprints == tuple(full.interactions)
    responses = {key: lazy.responses(key) for key in lazy.fingerprints}
    assert responses == {key: one.responses for key, one in full.interactions.items()}
    assert {key: lazy.get(key) for key in lazy.fingerprints} == full.interactions
    assert {key: lazy.responses(key) for key in lazy.fingerprints} == responses
    assert lazy.get(_key(99)) is None
    assert lazy.responses(_key(99)) is None
    assert lazy.load_all() == full


def test_only_the_interaction_asked_for_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hit parses its own interaction once, and the full parser is never called."""
    data = _cassette.dump(_make([b"a", b"b", b"c"]), STORE).encode()
    monkeypatch.setattr(_cassette, "load", None)
    lazy = LazyCassette(data, PATH, STORE)
    parsed: list[bytes] = []
    load = _yaml_read.load

    def watched(data: bytes, path: Path) -> object:
        parsed.append(data)
        return load(data, path)

    monkeypatch.setattr(_yaml_read, "load", watched)

    first = lazy.get(_key(1))

    assert first is not None
    assert first.request.body == b"b"
    assert lazy.get(_key(1)) is first
    assert [data.count(b"b3:") for data in parsed] == [1]


def test_after_a_full_load_nothing_is_parsed_again() -> None:
    """`load_all` is done once and answers `get` from then on."""
    lazy = LazyCassette(_cassette.dump(_make([b"a"]), STORE).encode(), PATH, STORE)

    assert lazy.get(_key(0)) == lazy.load_all().interactions[_key(0)]
    assert lazy.load_all() is lazy.load_all()
    assert lazy.get(_key(0)) is lazy.load_all().interactions[_key(0)]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("  " + _key(1), "  " + _key(0), "duplicate key"),
        ("interactions:\n", "interactions:\n  x: y\n", "is no fingerprint"),
        ("text: a", "text: \x01", "control character"),
        ("test: tests/a.py::b", "test: 'x", "not valid YAML"),
        ("match_headers:\n- accept", "match_headers: accept", "match_headers: expected a list"),
        ("interactions:\n", "interactions:\n      text: x\n", "not valid YAML"),
    ],
)
def test_a_file_damaged_anywhere_outside_is_refused_when_opened(old: str, new: str, what: str) -> None:
    """What the scan cannot vouch for is parsed as a whole at once, with the full parser's error."""
    text = _cassette.dump(_make([b"a", b"b"]), STORE)
    assert old in text

    with pytest.raises(CassetteError) as caught:
        LazyCassette(text.replace(old, new, 1).encode(), PATH, STORE)

    assert what in caught.value.what
    assert caught.value.line is not None


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("method: POST", "method: [POST]", "method: expected text"),
        ("method: POST", "method: 'POST", "not valid YAML"),
        ("    request:\n", "    request: &a\n", ""),
        ("status: 200 OK", "status: 200 OK\n      extra: 1", "unknown field"),
    ],
)
def test_a_damaged_interaction_is_told_by_the_full_parser(old: str, new: str, what: str) -> None:
    """The line is that of the file, not of the interaction."""
    data = _cassette.dump(_make([b"a"]), STORE).replace(old, new, 1).encode()
    lazy = LazyCassette(data, PATH, STORE)

    if not what:
        assert lazy.get(_key(0)) == _cassette.load(data, PATH, STORE).interactions[_key(0)]
        return
    with pytest.raises(CassetteError) as caught:
        lazy.get(_key(0))
    assert what in caught.value.what
    assert caught.value.line is not None
    assert caught.value.line > 12


def test_an_interaction_that_does_not_parse_alone_is_found_by_the_full_parser() -> None:
    """A quoted scalar broken over lines by hand, with a fingerprint line in it, does not mislead its own interaction."""
    text = _cassette.dump(_make([b"a"]), STORE)
    broken = text.replace("uri: https://h/", f'uri: "https://h/\n  {_key(7)}:\n    x"').encode()
    full = _cassette.load(broken, PATH, STORE)

    assert LazyCassette(broken, PATH, STORE).get(_key(0)) == full.interactions[_key(0)]


def test_answer_that_an_opened_quote_swallows_is_found_where_it_was_recorded() -> None:
    """The scan does not see that a quote in the request runs over the answer; the answer is the recorded one."""
    text = _cassette.dump(_make([b"a", b"b"]), STORE)
    first, second = text.index("text: a"), text.index("text: b", text.index(f"{_key(1)}:"))
    broken = (text[:first] + "text: 'a" + text[first + 7 : second] + "text: b'" + text[second + 7 :]).encode()
    full = _cassette.load(broken, PATH, STORE)

    assert list(full.interactions) == [_key(0)]
    assert full.interactions[_key(0)].responses[0].body == b"b"
    lazy = LazyCassette(broken, PATH, STORE)
    assert [response.body for key in lazy.fingerprints for response in lazy.responses(key) or ()] == [
        b"a",
        b"b",
    ]


def test_not_utf_8_is_an_error_when_opened() -> None:
    """Bytes are checked before anything is believed."""
    data = _cassette.dump(_make([b"a"]), STORE).encode().replace(b"text: a", b"text: \xff")

    with pytest.raises(CassetteError, match="not UTF-8"):
        LazyCassette(data, PATH, STORE)


def test_a_cassette_is_opened_from_its_path(tmp_path: Path) -> None:
    """An absent file, a directory and a cassette are told apart."""
    path = tmp_path / "c.yaml"
    with pytest.raises(FileNotFoundError):
        open_cassette(path, STORE)
    with pytest.raises(CassetteAccessError):
        open_cassette(tmp_path, STORE)
    path.write_text(_cassette.dump(_make([b"a"]), STORE), encoding="utf-8")

    assert open_cassette(path, STORE).fingerprints == (_key(0),)


PIECES = [
    *(
        each.encode()
        for each in ("\n", " ", ":", "'", '"', "|", "{", "[", "#", "&a ", "!x ", "\t", "\r", "\x85", "\u2028")
    ),
    *(b"\xff", b"\0", b"...\n", b"---\n", b"  " + _key(0).encode() + b":\n", b"<<<<<<< a\n", b"%YAML 1.1\n"),
]


def test_a_mutated_file_is_read_alike_or_refused() -> None:
    """After any small damage both readers agree, and nothing but a `CassetteError` is ever raised."""
    data = _cassette.dump(_make([b'{"a": [1, "x\\ny"]}', b"a\n\nb\r\n", *NASTY]), STORE).encode()
    random = Random(1)
    outcomes = {_outcomes(_mutated(data, random)) for _ in range(400)}

    assert outcomes == {"refused", "alike"}


def _mutated(data: bytes, random: Random) -> bytes:
    start = random.randrange(len(data))
    end = start + random.choice([0, 1, 1, 20])
    return data[:start] + random.choice([b"", *PIECES]) + data[end:]


def _outcomes(data: bytes) -> str:
    try:
        full = _cassette.load(data, PATH, STORE)
    except CassetteError:
        with pytest.raises(CassetteError):
            _all_lazily(data)
        return "refused"
    return "alike" if _all_lazily(data) == list(full.interactions.items()) else "different"


def _all_lazily(data: bytes) -> list[tuple[str, Interaction | None]]:
    lazy = LazyCassette(data, PATH, STORE)
    for key in lazy.fingerprints:
        lazy.responses(key)
    return [(key, lazy.get(key)) for key in lazy.fingerprints]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    request:\n", "    extra: 1\n    request:\n"),
        ("    responses:\n", "    extra: 1\n    responses:\n"),
        ("    responses:\n", "    # of yesterday\n    responses:\n"),
        ("    responses:\n", "    'responses':\n"),
        ("    responses:\n", "    responses:\n    responses:\n"),
        ("    responses:\n", "    - status: 200\n    responses:\n"),
        ("    - status:", "    status:"),
        ("    - status:", "    \n    - status:"),
        (":\n    request:\n", ":\n\n    request:\n"),
        (":\n    request:\n", ":\n      # of yesterday\n    request:\n"),
        ("    request:\n", "    request:\n    request:\n"),
    ],
)
def test_responses_are_parsed_alone_only_where_nothing_is_in_doubt(old: str, new: str) -> None:
    """Where an interaction is not as we write it, the whole of it is parsed, and refused if it is wrong."""
    data = _cassette.dump(_make([b"{}"]), STORE).encode()
    assert [at > 0 for *_, at in _index.scan(data).values()] == [True]
    assert not any(at > 0 for *_, at in _index.scan(data.replace(old.encode(), new.encode(), 1)).values())
    assert old.encode() in data
    edited = data.replace(old.encode(), new.encode(), 1)
    try:
        wanted = _cassette.load(edited, PATH, STORE).interactions[_key(0)].responses
    except CassetteError:
        with pytest.raises(CassetteError):
            LazyCassette(edited, PATH, STORE).responses(_key(0))
    else:
        assert LazyCassette(edited, PATH, STORE).responses(_key(0)) == wanted


# -- shared cassettes ------------------------------------------------------------------------------


def test_a_shared_cassette_is_read_and_scanned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it does not change; what changed, or may just have, is read anew."""
    path, read = tmp_path / "shared.yaml", []

    def counted(path: Path) -> bytes:
        read.append(path)
        return path.read_bytes()

    monkeypatch.setattr(_index, "read_bytes", counted)
    path.write_bytes(b"one")
    os.utime(path, (time.time() + 3600,) * 2)  # later than now, however long this test is held up
    assert [_index.read_shared(path) for _ in range(2)] == [(b"one", None)] * 2  # it may still change
    assert len(read) == 2
    os.utime(path, ns=(1, 1))
    assert [_index.read_shared(path) for _ in range(2)] == [(b"one", {})] * 2
    assert len(read) == 3
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert _index.read_shared(path) == (b"two", {})
    monkeypatch.setattr(_index, "_SHARED_BYTES", 2)
    assert _index.read_shared(path) == (b"two", None)
    with pytest.raises(FileNotFoundError):
        _index.read_shared(tmp_path / "absent.yaml")
