"""Borders that the tests of whole bodies do not reach: each was a change to the code that nothing had noticed."""

from __future__ import annotations

import base64
import gzip
import json
import textwrap

import pytest

from pytest_f3dx._audit import Auditor
from pytest_f3dx._model import Request, Response
from pytest_f3dx._redaction import Redactor
from pytest_f3dx._redaction_encoded import _is_readable, encode_like, has_run
from pytest_f3dx._redaction_finders import chosen, text_finds
from pytest_f3dx._redaction_glance import Glance
from pytest_f3dx._redaction_headers import is_credential_header
from pytest_f3dx._redaction_names import is_opaque, kebab
from pytest_f3dx._redaction_places import address_finds, json_finds, link_finds
from pytest_f3dx._redaction_shapes import _LOOSE, HINTS, SHAPES, Find
from pytest_f3dx._redaction_streams import _plain, is_stream, percent_strand, strands

RANDOM = "Zq8kTw3LmN0pXy7aB4cD9eF2"
SECRET = "sk-proj-" + "a1B2c3D4" * 4
EVENT_STREAM = "text/event-stream"


def words(text: str) -> set[str]:
    """Return what the strands of a stream say."""
    return {strand.text for strand in strands(text)}


# --- streams


@pytest.mark.parametrize("before", ["", "\n", "  \n\n"])
def test_pieces_are_put_together_however_the_stream_begins(before: str) -> None:
    """An empty line before the first event makes no difference, nor white space before an array."""
    events = (
        '{"index":0,"text":"ab"}\n{"index":1,"text":"xy"}\n{"index":0,"text":"cd"}\n{"index":1,"text":"z"}\n'
    )
    assert words(before + events) == {"abcd", "xyz"}
    array = "[" + events.replace("}\n", "},\n").rstrip(",\n") + "\n]"
    assert words(before + array) == {"abcd", "xyz"}


def test_pieces_in_one_event_belong_together_by_their_name() -> None:
    """Two fields of one name in an event are read in a row, and apart from those of another name."""
    events = [
        {"parts": [{"text": "ab", "note": "1"}, {"text": "cd", "note": "2"}]},
        {"parts": [{"text": "ef", "note": "3"}, {"text": "gh", "note": "4"}]},
    ]
    found = words("".join(f"data: {json.dumps(event)}\n" for event in events))
    assert {"abcdefgh", "1234", "abef", "cdgh"} <= found
    assert "ab1cd2ef3gh4" not in found


def test_each_unit_of_json_is_one_character() -> None:
    """Half a surrogate pair is a character that can be encoded; a pair is the character it spells."""
    assert _plain("a\\ud800b\\udfffc\\uD834\\uDD1E") == "a\ufffdb\ufffdc\U0001d11e"
    assert _plain("\\ue000\\ud7ff\\n\\q") == "\ue000\ud7ff\nq"


def test_a_stream_with_halves_of_characters_is_redacted() -> None:
    """An emoji split over two deltas stands in the way of nothing."""
    pieces = [SECRET[:9], "\\ud83d", "\\ude00", SECRET[9:]]
    body = "".join(f'data: {{"delta":"{piece}"}}\n\n' for piece in pieces)
    assert Redactor().text(body) == body  # the emoji parts it
    body = "".join(f'data: {{"delta":"{piece}"}}\n\n' for piece in (SECRET[:9], SECRET[9:], "\\ud83d"))
    clean = Redactor().response(Response(200, "", (("content-type", EVENT_STREAM),), body.encode())).body
    assert SECRET[9:] not in clean.decode()
    assert b"\\ud83d" in clean


# --- tokens of text


@pytest.mark.parametrize(
    "text",
    [
        '[{"logprob": -0.5, "token": "Zq8kTw3LmN0pXy7a"}, {"logprob": -0.1, "token": "b"}]',
        '[{"token": "a", "logprob": -0.5}, {"token": "Zq8kTw3LmN0pXy7a", "logprob": -0.1}]',
        '[{"token": "Zq8kTw3LmN0pXy7a", "logprob": -0.1',  # cut off
    ],
)
def test_a_token_of_text_is_told_by_what_is_beside_it_in_its_object(text: str) -> None:
    """Before or behind it, with objects on both sides, or where the text is cut off."""
    assert not {find.value for find in json_finds(text)}


def test_what_is_beside_another_object_says_nothing() -> None:
    """A token in an object of its own is a credential, whatever its neighbours are."""
    text = '[{"logprob": -0.5}, {"token": "Zq8kTw3LmN0pXy7a"}, {"logprob": -0.1}]'
    assert {find.value for find in json_finds(text)} == {"Zq8kTw3LmN0pXy7a"}


# --- base64


def test_what_is_readable() -> None:
    """UTF-8 whose last character may be cut off, without control characters."""
    emoji = "😀".encode()
    assert all(_is_readable(b"abc" + emoji[:length]) for length in range(5))
    assert not _is_readable(b"abc\xffdef")
    assert not _is_readable(b"abc\x00def")


@pytest.mark.parametrize(
    ("text", "model", "written"),
    [
        ("ab", "QUJD", "YWI="),  # a model that needs no padding does not show that it leaves it out
        ("ab", "QUI", "YWI"),
        ("ab", "QU_D", "YWI"),
        ("ab", "QU-D", "YWI"),
        ("ab", "QU_=", "YWI="),
        ("abW", "QUI", "YWJX"),
        ("~~~", "QU_D", "fn5-"),
        ("\xff\xff\xff", "QU_D", "____"),
        ("\xff\xff\xff", "QUJD", "////"),
    ],
)
def test_base64_is_written_like_its_model(text: str, model: str, written: str) -> None:
    """Alphabet and padding are those of the text in whose place it stands."""
    assert encode_like(text, model) == written


@pytest.mark.parametrize("before", ["%", "100%", "\\", "\\n", "%41"])
def test_base64_behind_a_sign_is_read(before: str) -> None:
    """Whatever the sign before it escapes or does not, the text in base64 is searched."""
    encoded = base64.b64encode(f"zz password={SECRET} and more".encode()).decode()
    assert encoded not in Redactor().text(f"{before}{encoded}")


def test_more_padding_than_there_is_hides_nothing() -> None:
    """A third sign of padding is not part of the base64 before it."""
    encoded = base64.b64encode(f"password={SECRET}".encode()).decode()
    assert encoded not in Redactor().text(encoded.rstrip("=") + "===")


def test_runs_of_base64_are_counted() -> None:
    """Letters, digits and both alphabets' signs; a character beyond latin-1 ends a run."""
    assert has_run("ab+/-_09", 8)
    assert not has_run("ab+/-_09", 9)
    assert not has_run("abcd\u20acefgh", 5)


# --- shapes


def test_a_hint_brings_those_that_end_like_it() -> None:
    """Where ``csk-`` stands, ``sk-`` does, too; a hint brings its shapes wherever it is in a run."""
    hints = sorted({hint for shape in SHAPES for hint in shape.hints} - _LOOSE)
    assert len(hints) > 20
    for hint in hints:
        found = HINTS.in_runs(f"{hint}{RANDOM}")
        for other in hints:
            if hint.endswith(other):
                assert set(HINTS.of(other)) <= found


def test_every_key_of_a_shape_is_found() -> None:
    """One behind the other, and one that begins within what is none."""
    other = SECRET[::-1].replace("-jorp-ks", "")
    text = f"{SECRET} disk-sk-proj-x {SECRET[:-8]}{other[:8]} {SECRET[:-4]}zzzz"
    found = {find.value for find in text_finds(text)}
    assert {SECRET, f"{SECRET[:-8]}{other[:8]}", f"{SECRET[:-4]}zzzz"} <= found


def test_a_pem_block_is_one_secret_whatever_its_line_ends_are() -> None:
    """Line feeds, carriage returns with them, escaped or percent-encoded: the same placeholder."""
    lines = ["-----BEGIN PRIVATE KEY-----", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "-----END PRIVATE KEY-----"]
    text = " ".join(end.join(lines) for end in ("\n", "\r\n", "\\n", "\\r\\n", "%0A"))
    assert set(Redactor().text(text).split()) == {"[redacted:private-key]"}


def test_a_value_behind_a_variable_of_credentials_is_found() -> None:
    """It is named after the end of the variable that the text shows, and CACHE_KEY is none."""
    found = [*text_finds(f"export ACME_API_KEY={RANDOM} x_KEY='{RANDOM}'")]
    assert [(find.value, find.name) for find in found] == [(RANDOM, "acme-api-key"), (RANDOM, "key")]
    assert not [*text_finds("CACHE_KEY=users-by-name-1")]


def test_of_finds_that_overlap_the_longest_is_taken() -> None:
    """Of two that begin together, whichever was found first."""
    text = "xx abcdefgh xx"
    short, whole = Find(3, 7, "a", "abcd"), Find(3, 11, "b", "abcdefgh")
    assert chosen(text, [short, whole]) == chosen(text, [whole, short]) == [whole]


@pytest.mark.parametrize(("glued", "is_found"), [("", False), ('"}', False), ("a1B2c3D4e5F6", True)])
def test_what_is_glued_to_a_placeholder(glued: str, is_found: bool) -> None:
    """A find that begins with a placeholder is one only if what is behind it is a secret of its own."""
    text = f"[redacted:key]{glued}"
    assert bool(chosen(text, [Find(0, len(text), "key", text + " ")])) == is_found


def test_what_is_opaque() -> None:
    """One piece of ASCII that does not read as words, and is long enough."""
    assert is_opaque("a1B2c3D4", 8)
    assert not is_opaque("a1B2c3D4", 9)
    assert not is_opaque("a1B2 c3D4", 8)
    assert not is_opaque("a1B2c3D4\u00e9", 8)
    assert not is_opaque("authentication-mechanisms", 8)


def test_only_what_is_opaque_is_looked_for_elsewhere() -> None:
    """A password of words is redacted below its name, and left alone in prose."""
    clean = Redactor().text(f"DB_PASSWORD={RANDOM} and {RANDOM}; DB_PASSWORD=correct horse and correct horse")
    assert RANDOM not in clean
    assert clean.endswith("correct horse")


# --- addresses


def test_the_parts_of_an_address_end_where_they_end() -> None:
    """A bare query is one; segments are not read beyond the path."""
    assert [find.value for find in address_finds(f"?token={RANDOM}")] == [RANDOM]
    assert [find.value for find in address_finds(f"#token={RANDOM}")] == [RANDOM]
    assert [find.value for find in address_finds(f"/token/{RANDOM}")] == [RANDOM]
    assert not [*address_finds(f"/path?next=/token/{RANDOM}")]
    assert [find.value for find in link_finds(f"(https://h.test/?token={RANDOM}X.)")] == [f"{RANDOM}X"]


def test_what_percent_signs_hide() -> None:
    """The first character counts; a text without an encoded sign shows no more than it does."""
    strand = percent_strand("%7Ba%3A1%7D")
    assert strand is not None
    assert strand.text == "{a:1}"
    assert percent_strand("100% sure") is None
    assert percent_strand("a:b 3A") is None


def test_an_array_is_a_stream_whatever_is_before_it() -> None:
    """White space before the first bracket makes no difference; an array on one line is none."""
    assert is_stream(' \n[{"a":1}\n,{"a":2}]', "application/json")
    assert not is_stream('[{"a":1},{"a":2}]', "application/json")
    assert not is_stream('{"a":1}\n,', "application/json")


# --- names


@pytest.mark.parametrize(
    ("words_", "name"),
    [
        (("api", "key"), "api-key"),
        (("2", "fa"), "fa"),
        (("key", "2"), "key"),
        (("a" * 47, "b"), "a" * 47),
        (("a" * 45, "12", "b"), "a" * 45),
    ],
)
def test_the_name_in_a_placeholder(words_: tuple[str, ...], name: str) -> None:
    """It starts with a letter and ends in none of the signs that part it from a number, also when it is cut."""
    assert kebab(words_) == name


@pytest.mark.parametrize("name", ["authorization", "cookie", "x-auth", "x-session-secret", "my-api-key"])
def test_headers_of_credentials(name: str) -> None:
    """Those of the table, and those whose name means one."""
    assert is_credential_header(name)


# --- long texts, repeated finds, views


PROSE = "the quick brown fox jumps over the lazy dog " * 120


@pytest.mark.parametrize("name", ["api_key", "password"])
def test_fields_are_read_in_long_texts(name: str) -> None:
    """A name and its value in pages of prose are found, before and behind it, in JSON and in links."""
    pages = PROSE * 8
    for text in (
        f'{{"{name}": "{RANDOM}", "text": "{pages}"}}',
        f'{{"text": "{pages}", "{name}": "{RANDOM}"}}',
    ):
        assert {find.value for find in json_finds(text)} == {RANDOM}
    link = f"{pages} https://h.test/a?{name}={RANDOM} {pages}"
    assert {find.value for find in link_finds(link)} == {RANDOM}


def test_a_secret_that_was_learnt_is_found_wherever_it_stands() -> None:
    """First, last and in between."""
    clean = Redactor().text(f"DB_PASSWORD={RANDOM} {RANDOM}, {RANDOM} and {RANDOM}")
    assert RANDOM not in clean
    assert clean.count("[redacted:") == 4


def test_each_answer_that_teaches_something_is_looked_through_again() -> None:
    """What the body of a second answer names is not left in its headers, though the first has taught something, too."""
    redactor = Redactor()
    for n in range(3):
        secret = f"{RANDOM[:-1]}{n}"
        body = json.dumps({"password": secret}).encode()
        headers = (("content-type", "application/json"), ("x-echo", secret))
        clean = redactor.response(Response(200, "", headers, body))
        assert secret not in str(clean)


GZIPPED = base64.b64encode(gzip.compress(f'{{"password": "{RANDOM}"}}'.encode(), mtime=0)).decode()
WRAPPED = "\\n".join(
    textwrap.wrap(base64.b64encode(f'{{"a": "{PROSE[:60]}", "password": "{RANDOM}"}}'.encode()).decode(), 76)
)


@pytest.mark.parametrize(
    "hidden",
    [
        "%7B%22password%22%3A%22" + RANDOM + "%22%7D",
        SECRET.replace("sk-", "\\u0073k-"),
        GZIPPED,
        WRAPPED,
    ],
)
def test_a_glance_looks_for_other_views_of_a_text(hidden: str) -> None:
    """What is percent-encoded, escaped, compressed or in lines of base64 is worth a search, which finds it."""
    body = f'{{"text": "{hidden}"}}'.encode()
    assert Glance().may_hold_secret(body)
    assert Auditor().exchange(Request("CALL", "f3dx://cache", (("content-type", "application/json"),), body))


def test_a_glance_sees_that_plain_text_needs_no_search() -> None:
    """Neither prose nor a percent sign or a backslash in it."""
    for text in (PROSE, "100% sure", "a \\n b \\u2013 c", "H4sIdentity"):
        assert not Glance().may_hold_secret(f'{{"text": "{text}"}}'.encode())
