"""A glance at a request says that there is no secret only where a search finds none."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_f3dx._audit import Auditor
from pytest_f3dx._cache._entry import keyed, stored_request
from pytest_f3dx._redaction_glance import Glance
from tests.planted import environ_value, places
from tests.test_redaction import AROUND, SHAPED

VALUES = {"planted": environ_value("Q7x"), "long": "plum.Tr33-9183-harbour", "short": "Tr33 (9183)"}
OWN = (("ticket-[0-9]+", "ticket"),)
KEYS = [AROUND.get(name, "{}").format(value) for name, values in SHAPED.items() for value in values]
SAID = [
    f"Bearer {'a1B2c3D4' * 2}", f"BEARER  {'q-' * 9}9", "bearer+a1B2c3D4+bearer a1B2c3D4e5", "a bearer of news, 12",
    f"Basic {base64.b64encode(b'user:hunter2').decode()}", "BASIC dXNlcjpodW50ZXIy", "basic research", "Basic  Auth+",
    "/bot12345:abcdef/", "see /bottle", "https://user:hunter2@h.test/", "AWS_SECRET_KEY=a1B2c3D4e5F6", "x=1&sig=a1B2c3D4",
    "https://h.test/?token=a1B2c3D4e5F6", "api_key: a1B2c3D4e5F6g7", '"password": "hunter2"', '{"api_key":"a1B2c3"}',
    "<password>hunter2</password>", '<input name="csrf_token" value="a1b2c3d4">', "-----BEGIN CERTIFICATE-----",
    "%70%61ssword%3Dhunter2", "\\u0073k-", "100 % sure", "a %20 b", "ticket-42", "ticket-", *VALUES.values(),
]  # fmt: skip
ENCODED = [
    base64.b64encode(f"password={'hunter2' * 3}".encode()).decode(),
    base64.b64encode(gzip.compress(KEYS[0].encode())).decode(),
    base64.encodebytes(f"{'x' * 50} {KEYS[0]}\n".encode()).decode(),
    base64.b64encode(bytes(range(256))).decode(),
]
PIECES = [
    *KEYS,
    *SAID,
    *ENCODED,
    " ",
    "\n",
    "'",
    '"',
    "\\",
    "/",
    "-",
    "+",
    "=",
    "a",
    "7",
    "é",
    "東",
    "\0",
    "\x7f",
]
NAMES = st.sampled_from(["content", "password", "api_key", "token", "max_tokens", "name", "value", "a b"])
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(PIECES),
        st.sampled_from(PIECES).flatmap(lambda one: st.integers(0, len(one)).map(lambda at: one[:at])),
        st.sampled_from(PIECES).flatmap(lambda one: st.integers(0, len(one)).map(lambda at: one[at:])),
        st.text(max_size=20),
    ),
    max_size=5,
).map("".join)


def found(body: bytes) -> bool:
    """Whether a search finds anything."""
    return bool(Auditor(values=VALUES, redact=OWN).exchange(stored_request(body)))


def glanced(body: bytes) -> bool:
    return Glance(values=VALUES, redact=OWN).may_hold_secret(body)


@settings(max_examples=600, deadline=None)
@given(
    st.dictionaries(
        st.one_of(NAMES, TEXTS), st.one_of(TEXTS, st.integers(), st.lists(TEXTS, max_size=2)), max_size=3
    )
)
def test_what_a_search_finds_a_glance_does_not_miss(request_: dict[str, object]) -> None:
    """Requests of pieces of keys, of names, of encodings and of what is around them."""
    _, body = keyed(request_)
    if not glanced(body):
        assert not found(body)


@pytest.mark.parametrize("form", ["{}", "say {} twice", "line\n{}\n", "x={}&y", "'{}'", '{{"a": "{}"}}'])
def test_every_key_is_seen(form: str) -> None:
    """Each shape of the table, in each place in which a prompt may have it; and what the last gate alone sees."""
    missed = []
    for piece in [*KEYS, *SAID, *ENCODED]:
        _, body = keyed({"messages": [{"role": "user", "content": form.format(piece)}]})
        if found(body) and not glanced(body):
            missed.append(piece)
    assert missed == []


def test_every_planted_place_is_seen() -> None:
    """The bodies and targets of the table of planted secrets, as the text of a prompt, and as objects."""
    missed = []
    for place in places("Q7x"):
        for text in (place.target, place.body.decode("latin-1"), place.answer.body.decode("latin-1")):
            _, body = keyed({"content": text})
            if found(body) and not glanced(body):
                missed.append(place.name)
        if place.body[:1] == b"{" and found(place.body) and not glanced(place.body):
            missed.append(place.name)
    assert missed == []


@pytest.mark.parametrize("text", [
    "Do basic research, be the bearer of good tidings, put it into a /bottle; a well-known-and-hyphenated-word.",
    "100 % of 5 = 5 < 6; mail me@h.test: now. -----BEGIN CERTIFICATE----- \\n is a line end",
    "https://docs.python.org/3/library/asyncio-subprocess.html?highlight=x and 123e4567-e89b-12d3-a456-426614174000",
    "Grüße, 東京, “quotes”\n and 'internationalization' or pneumonoultramicroscopicsilicovolcanoconiosis " + "ab" * 40,
])  # fmt: skip
def test_prose_needs_no_search(text: str) -> None:
    """Words that a key could begin with, addresses and ids are told from keys at once."""
    _, body = keyed({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": text}]})
    assert not glanced(body)


@pytest.mark.parametrize("body", [b"", b"[1]", b' {"a":1}', b'{"a":"\0"}'])
def test_what_is_no_such_request_is_searched(body: bytes) -> None:
    """A stream, a compressed body or UTF-16 is left to the search."""
    assert glanced(body)


def test_nothing_given_is_nothing_known() -> None:
    """A glance without values and patterns of the project sees the keys of the table alone."""
    assert Glance().may_hold_secret(json.dumps({"a": KEYS[0]}).encode())
    assert not Glance().may_hold_secret(json.dumps({"a": "ticket-42 and plum.Tr33-9183"}).encode())


def test_what_stands_in_a_text_in_another_spelling_is_looked_for() -> None:
    """A percent sign with its digits or an escaped letter is enough, and so is a short text that is compressed."""
    glance = Glance()
    assert glance.may_hold_secret(b'{"a": "x%25"}')
    assert glance.may_hold_secret(rb'{"a": "x\u0041"}')
    assert not glance.may_hold_secret(b'{"a": "100 % of 0"}')
    assert not glance.may_hold_secret(rb'{"a": "0\n1"}')
    packed = base64.b64encode(gzip.compress(b'{"pwd":"hunter2"}', mtime=0)).decode()
    assert len(packed) < 60
    assert glance.may_hold_secret(json.dumps({"a": packed}).encode())
