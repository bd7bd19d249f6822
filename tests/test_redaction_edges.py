"""The edges of redaction, each at its own place: what a mutation of the code has shown to be held by nothing else."""

from __future__ import annotations

import base64
import json

import pytest

from pytest_f3dx._model import Request, Response
from pytest_f3dx._redaction import Redactor
from pytest_f3dx._redaction_encoded import encode_like, encoded_texts, has_run, redact_frames
from pytest_f3dx._redaction_finders import chosen
from pytest_f3dx._redaction_headers import is_credential_header
from pytest_f3dx._redaction_names import field_meaning, is_opaque, kebab
from pytest_f3dx._redaction_places import json_finds
from pytest_f3dx._redaction_shapes import SHAPES, Find, _Hints, _shape, is_basic, is_run, shape_matches
from pytest_f3dx._redaction_streams import is_stream, strands
from tests.server import amazon_event
from tests.test_redaction_streams import message

A = "a1B2c3D4e5F6g7H8i9J0"
KEY = "sk-" + "proj-" + "a1B2c3D4e5F6" * 4
JSON = (("content-type", "application/json"),)
SSE = (("content-type", "text/event-stream"),)
SENTENCE = "The quick brown fox jumps over the lazy dog. "


def sent(body: str, redactor: Redactor | None = None) -> str:
    """Return the body of a redacted request."""
    request = Request("POST", "https://h.test/", JSON, body.encode("latin-1"))
    return (redactor or Redactor()).request(request).body.decode("latin-1")


def streamed(body: str) -> str:
    """Return the body of a redacted stream."""
    return Redactor().response(Response(200, "OK", SSE, body.encode())).body.decode()


# -- base64 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" * 24, True),
        ("Zz09+/-_" * 3, True),
        ("a" * 23, False),
        ("a" * 23 + " a", False),
        ("a" * 23 + "=", False),
        ("…" * 30, False),
        ("… " + "a" * 24, True),
    ],
)
def test_a_run_is_so_many_characters_of_base64(text: str, *, expected: bool) -> None:
    """Both alphabets count, and nothing else does, whatever stands beside them."""
    assert has_run(text, 24) is expected


def decoded(raw: bytes, before: str = "", after: str = "") -> list[str]:
    """Return what is read in bytes that stand in a text as base64."""
    return [found.text for found in encoded_texts(before + base64.b64encode(raw).decode() + after)]


def test_only_two_signs_are_padding() -> None:
    """A sign of equality behind the padding is text that follows."""
    text = base64.b64encode(SENTENCE.encode()[:43]).decode()
    assert text.endswith("==")
    (found,) = encoded_texts(text + "=")
    assert (found.start, found.end) == (0, len(text))


@pytest.mark.parametrize("times", [1, 3])
def test_base64_that_no_encoder_writes_is_no_text(times: int) -> None:
    """It could not be put back as it was: bits behind the last byte, a character too many."""
    text = base64.b64encode((SENTENCE * times).encode() + b"ab").decode().rstrip("=")
    text = text[: len(text) // 4 * 4 + 3]
    assert text[-1] == "I"
    assert list(encoded_texts(text[:-1] + "J")) == []
    whole = base64.b64encode((SENTENCE * 3 * times).encode()).decode()
    assert len(list(encoded_texts(whole))) == 1
    assert list(encoded_texts(whole + "A")) == []


@pytest.mark.parametrize(
    ("raw", "is_text"),
    [
        ("a long enough text 🦊".encode()[:-1], True),  # the last three of four bytes
        (b"a long enough text \xffabc", False),
        (b"a long enough text \x00 with a control", False),
        (b"a long enough text \x1f", False),
        (b"a long enough text\t\r\n", True),
    ],
)
def test_a_text_may_only_be_cut_off_in_its_last_character(raw: bytes, *, is_text: bool) -> None:
    """Three bytes of a character at the end are text; control characters and other bytes are not."""
    assert bool(decoded(raw)) is is_text


def test_a_long_text_may_have_any_character_where_the_first_look_ends() -> None:
    """The first look ends in the middle of a character; the whole is what is judged."""
    for pad in range(42, 50):
        assert decoded(b"x" * pad + "🦊".encode() * 20), pad
        assert not decoded(b"x" * pad + b"\xff" + b"x" * 40), pad


@pytest.mark.parametrize(
    ("text", "model", "expected"),
    [
        (">>>???", "A_AA", "Pj4-Pz8_"),
        (">>>???", "A-AA", "Pj4-Pz8_"),
        (">>>???", "A+AA", "Pj4+Pz8/"),
        ("ab", "QUJD", "YWI="),
        ("ab", "QUI", "YWI"),
        ("abW", "QUI", "YWJX"),
    ],
)
def test_base64_is_written_like_its_model(text: str, model: str, expected: str) -> None:
    """One sign is enough to tell the alphabet; only padding is left out, and only where the model does so."""
    assert encode_like(text, model) == expected


def test_basic_credentials_padded_too_much_are_some() -> None:
    """A server reads them; a word is none all the same."""
    assert is_basic(base64.b64encode(b"user:hunter").decode() + "=")
    assert not is_basic("research")


def test_base64_is_found_beside_characters_of_any_script() -> None:
    """They are none of base64."""
    assert decoded(SENTENCE.encode(), before="… ", after=" 東") == [SENTENCE]


def test_every_text_in_base64_is_redacted_and_what_is_between_them_stays() -> None:
    """Each is put back in its place."""
    one, other = (base64.b64encode(f"{SENTENCE}{KEY}{n}".encode()).decode() for n in "ab")
    parts = sent(f"<{one}|{other}>")[1:-1].split("|")
    assert [base64.b64decode(part).decode() for part in parts] == [
        f"{SENTENCE}[redacted:openai-key]",
        f"{SENTENCE}[redacted:openai-key-2]",
    ]


def test_base64_within_base64_is_looked_into_however_deep() -> None:
    """A secret does not hide by being encoded once more."""
    text = f"{SENTENCE}{KEY}"
    for _ in range(7):
        text = base64.b64encode(text.encode()).decode()
    clean = sent(text)
    for _ in range(7):
        clean = base64.b64decode(clean).decode()
    assert clean == f"{SENTENCE}[redacted:openai-key]"


# -- frames ------------------------------------------------------------------------------------------


def test_messages_are_joined_by_a_line_that_none_of_them_has() -> None:
    """The redactor sees one event a line, also where a payload holds the line that parts them."""
    seen: list[str] = []

    def redact(text: str) -> str:
        seen.append(text)
        return text

    assert redact_frames(amazon_event("chunk", {"a": 1}) + amazon_event("chunk", {"b": 2}), redact)
    first, second = seen[0].split("\n\x1e\n")
    assert (json.loads(first), json.loads(second)) == ({"a": 1}, {"b": 2})
    odd = message(b"", b"[\n\x1e\n1]")
    assert redact_frames(odd + odd, redact)
    assert seen[1] == "[\n\x1e\n1]\n\x1e\x1e\n[\n\x1e\n1]"


def test_no_message_is_lost_by_what_redacts_them() -> None:
    """A redaction that eats the line between two messages is an error, not a shorter stream."""
    body = amazon_event("chunk", {"a": 1}) + amazon_event("chunk", {"b": 2})
    with pytest.raises(ValueError, match="zip"):
        redact_frames(body, lambda text: text.replace("\n\x1e\n", ""))


# -- names and headers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("a" * 47, "secret"), "a" * 47),
        (("2", "fa", "secret"), "fa-secret"),
        (("secret", "2"), "secret"),
        (("X", "secret", "X"), "X-secret-X"),
    ],
)
def test_the_name_in_a_placeholder_begins_and_ends_with_a_letter(words: tuple[str, ...], name: str) -> None:
    """So that no number of it is taken for that of a placeholder, also where a long name is cut."""
    assert kebab(words) == name


def test_tokens_alone_are_text_and_a_token_perhaps() -> None:
    """A list of tokens is a list of words; one token may be a credential."""
    assert field_meaning("tokens") is None
    assert field_meaning("token") is not None


@pytest.mark.parametrize("name", ["x-auth", "authentication", "x-my-secret", "x-internal-access-token"])
def test_a_header_is_a_credential_by_the_list_or_by_its_words(name: str) -> None:
    """Either is enough."""
    assert is_credential_header(name)


@pytest.mark.parametrize(
    ("cookie", "is_kept"), [('"***"', True), ('""', True), ("***", True), ("XXtrueXX", False), ("true", True)]
)
def test_a_cookie_in_quotes_is_what_is_in_them(cookie: str, *, is_kept: bool) -> None:
    """A mask stays one within quotes; letters around a word make it a value."""
    headers = (("set-cookie", f"sid={cookie}; Path=/"),)
    ((_, value),) = Redactor().response(Response(200, "OK", headers, b"")).headers
    assert (cookie in value) is is_kept


@pytest.mark.parametrize("name", ["authorization", "x-auth"])
def test_the_password_of_basic_auth_is_learnt_whatever_the_header(name: str) -> None:
    """What a header says is basic is; only the word before a credential goes, not one within it."""
    password = "correct-horse-42-staple"
    basic = base64.b64encode(f"me:{password}".encode()).decode()
    request = Request("POST", "https://h.test/", ((name, f"Basic {basic}"),), f"say {password}".encode())
    assert password.encode() not in Redactor().request(request).body


def test_only_the_word_before_a_credential_is_no_part_of_it() -> None:
    """``a1…token …`` is learnt as it stands."""
    value = f"{A}.token=x"
    request = Request("POST", "https://h.test/", (("x-api-key", value),), f"say {value}!".encode())
    assert Redactor().request(request).body == b"say [redacted:x-api-key]!"


def test_an_own_pattern_may_begin_with_flags() -> None:
    """An ASCII regex is compiled as it is written."""
    assert (
        sent('{"a": "TICKET-42"}', Redactor(redact=(("(?i)ticket-[0-9]+", "ticket"),)))
        == '{"a": "[redacted:ticket]"}'
    )


def test_a_value_that_is_shared_keeps_its_name() -> None:
    """What one redactor has learnt is called the same by another."""
    first, second = Redactor(), Redactor()
    second.share(first)
    sent(json.dumps({"client_secret": A}), first)
    assert sent(f"say {A}", second) == "say [redacted:client-secret]"


def test_the_highest_number_of_a_name_counts_as_taken() -> None:
    """Also if a lower one comes later."""
    redactor = Redactor()
    sent("[redacted:password-3]", redactor)
    sent("[redacted:password-2]", redactor)
    assert sent('{"password": "hunter2"}', redactor) == '{"password": "[redacted:password-4]"}'


def test_words_below_a_name_are_replaced_there_only() -> None:
    """A value that reads as words is not looked for elsewhere."""
    assert sent('{"a": "internationalization", "password": "internationalization"}') == (
        '{"a": "internationalization", "password": "[redacted:password]"}'
    )


def test_each_exchange_is_looked_through_again_for_what_it_named_late() -> None:
    """Not the first alone."""
    redactor = Redactor()
    for value in (A, A[::-1]):
        clean = sent(json.dumps({"a": f"<{value}>", "password": value}), redactor)
        assert value not in clean
        named = (("x-trace", value), ("x-api-key", value))
        assert value not in str(redactor.response(Response(200, "OK", named, value.encode())))


def test_so_many_values_are_kept_in_mind_exactly() -> None:
    """The newest 128: the oldest of them is still known, and the one before it is not."""
    redactor = Redactor()
    values = [f"a1B2c3D4e5F6g7H8{n:04}" for n in range(129)]
    for value in values:
        sent(json.dumps({"password": value}), redactor)
    assert values[1] not in sent(f"say {values[1]}", redactor)
    assert values[0] in sent(f"say {values[0]}", redactor)


def test_the_outermost_of_overlapping_finds_is_taken_and_all_that_only_touch() -> None:
    """In one go, in order."""
    text = "abcdefghijklmnop"
    short, long, beside, later = (Find(a, b, "x", text[a:b]) for a, b in ((0, 4), (0, 6), (6, 9), (12, 14)))
    assert chosen(text, [later, short, beside, long]) == [long, beside, later]


def test_a_scheme_that_only_the_value_shows_is_no_scheme() -> None:
    """Escapes within the word before a token hide nothing."""
    assert A not in sent(f'{{"access_token": "Bear\\u0065r {A}"}}')


@pytest.mark.parametrize("value", ["a1 b2c3d4e5", "a1b2c3d4é", "a1b2c3d"])
def test_what_has_spaces_or_letters_of_other_scripts_is_not_opaque(value: str) -> None:
    """Nor is what is too short."""
    assert not is_opaque(value, 8)
    assert is_opaque("a1b2c3d4", 8)


# -- JSON, forms -------------------------------------------------------------------------------------


def test_what_stands_far_before_a_token_does_not_make_it_text() -> None:
    """Only its siblings near by count, also where the start of its object is further away."""
    far = json.dumps({"choices": [{"index": 0}], "user": {"note": "y" * 500, "token": A}})
    assert A not in sent(far)
    assert A not in sent(json.dumps({"user": {"token": A, "note": "y" * 500}, "index": 0}))
    assert A not in sent(json.dumps([{"index": 0}, {"token": A}, {"index": 0}]))


@pytest.mark.parametrize("text", ['"logprob": -0.5, "token": "{}"', '"token": "{}", "logprob": -0.5'])
def test_a_token_of_text_in_an_object_that_is_cut_off_is_text(text: str) -> None:
    """Its siblings are those up to where the text begins and ends."""
    assert A in sent(text.format(A))


def test_a_quote_behind_two_backslashes_begins_no_key() -> None:
    """No depth of strings writes one so; what follows is not read as if it were."""
    assert list(json_finds(r'\\"password": \"hunter22\"')) == []
    assert len(list(json_finds(r"\"password\": \"hunter22\""))) == 1


@pytest.mark.parametrize(
    "text", ['{"password": ["hunter2"', '{"password": [', '{"password": [12, ', '{"password": ["hunter2", [']
)
def test_an_array_may_be_cut_off_anywhere(text: str) -> None:
    """What there is of it is redacted."""
    assert "hunter2" not in sent(text)


def test_brackets_that_do_not_fit_hide_nothing() -> None:
    """A brace too many in an array leaves its strings what they are; objects speak for themselves."""
    assert "hunter2" not in sent('{"password": [}, "hunter2"]}')
    assert sent('{"password": [{"a": "hunter2"}]}') == '{"password": [{"a": "hunter2"}]}'


def test_a_raw_control_character_does_not_change_what_a_value_is() -> None:
    """Two spellings of one value have one placeholder, also with a tab in it that JSON would not allow."""
    clean = sent('{"password": "hun\\u0074er\t2!", "passwd": "hunter\\t2!"}')
    assert clean == '{"password": "[redacted:password]", "passwd": "[redacted:password]"}'


def test_bytes_that_are_no_text_are_values_of_their_own() -> None:
    """Two parameters that differ in such a byte have two placeholders."""
    request = Request("GET", "https://h.test/?password=%FF1234567&passwd=%FE1234567", (), b"")
    assert (
        Redactor().request(request).uri
        == "https://h.test/?password=[redacted:password]&passwd=[redacted:passwd]"
    )


def test_the_name_of_a_key_is_read_through_its_escapes() -> None:
    """Those of its closing quote are none of it, and no letter is."""
    assert "hunter2" not in sent(r'{"a": "{\"pass\u0077ord\": \"hunter2\"}"}')
    assert "hunter2" in sent('{"passwordX": "hunter2"}')


def test_a_link_is_redacted_up_to_its_last_letter() -> None:
    """Only signs that end a sentence are left."""
    assert sent(f"see https://h.test/?token={A}X.") == "see https://h.test/?token=[redacted:token]."


@pytest.mark.parametrize("place", ["?token={}", "#token={}", "/access_token/{}"])
def test_an_address_may_begin_with_any_of_its_parts(place: str) -> None:
    """As the address of a redirect does."""
    headers = (("location", place.format(A)),)
    ((_, value),) = Redactor().response(Response(302, "Found", headers, b"")).headers
    assert A not in value


def test_segments_that_differ_in_a_byte_are_values_of_their_own() -> None:
    """Also if that byte is no text."""
    redactor = Redactor()
    for byte, mark in (("FF", "token"), ("FE", "token-2"), ("FF", "token")):
        request = Request("GET", f"https://h.test/token/%{byte}{A}", (), b"")
        assert redactor.request(request).uri == f"https://h.test/token/[redacted:{mark}]"


# -- shapes ------------------------------------------------------------------------------------------


def test_a_hint_may_end_in_any_letter_and_have_a_sign_before_it() -> None:
    """However a hint ends and whatever stands in it, its shape is found."""
    rows = tuple(
        _shape(f"own-{n}", hint, hint + "[a-z0-9]{20}") for n, hint in enumerate(["keyX", "a-b", "k_c", "d-"])
    )
    hints = _Hints(rows)
    for index, row in enumerate(rows):
        assert hints.shapes((row.hints[0] + "a1b2" * 5).encode()) == [index]


def test_every_match_of_a_shape_is_found() -> None:
    """A report names each, not the first alone."""
    (shape,) = [shape for shape in SHAPES if shape.name == "groq-key"]
    key = "gsk_" + A * 2
    assert len(list(shape_matches(f"{key} {key}1, x{key} {key}2", shape))) == 3


def test_a_variable_is_named_as_it_is_written() -> None:
    """However long it is and whatever stands before it."""
    assert sent(f"my_ACME_API_KEY={A}") == "my_ACME_API_KEY=[redacted:acme-api-key]"
    assert A not in sent(f"{'A' * 60}_SECRET={A}")


@pytest.mark.parametrize(
    ("text", "expected"), [("a" * 16, True), ("a" * 15, False), ("a b" * 9, False), ("é" * 16, False)]
)
def test_a_part_of_a_run_is_long_and_in_one_piece(text: str, *, expected: bool) -> None:
    """Sixteen characters that keys are made of."""
    assert is_run(text) is expected


# -- streams -----------------------------------------------------------------------------------------


def test_a_lone_surrogate_is_no_character_of_a_text() -> None:
    """It would be none in UTF-8."""
    for unit in ("\\ud800", "\\udfff"):
        (strand, *_) = strands(f'{{"a": "x{unit}"}}\n{{"a": "y"}}\n')
        assert strand.text == "x\ufffdy"


@pytest.mark.parametrize("first", ["", "x" * 5000])
def test_pieces_without_keys_are_told_by_the_head(first: str) -> None:
    """By the first line already, and by none that comes late."""
    plain = f'0:"say {KEY[:12]}"\n0:"{KEY[12:]} {first}"\n'
    assert KEY[12:] not in streamed(plain)
    named = f'data: {{"text": "{first} {KEY[:12]}"}}\n\ndata: {{"text": "{KEY[12:]}"}}\n\ndata: "end"\n\n'
    assert (KEY[12:] not in streamed(named)) is bool(first)


def test_a_stream_may_begin_with_an_empty_line() -> None:
    """Its events are still told apart, by their indices."""
    lines = [
        json.dumps({"index": n % 2, "text": t}) for n, t in enumerate([KEY[:9], "and ", KEY[9:], "so on"])
    ]
    assert KEY[9:] not in streamed("\n" + "\n".join(lines))
    assert [strand.text for strand in strands("\n" + "\n".join(lines))] == [KEY, "and so on"]


def test_an_array_that_grows_may_begin_with_white_space() -> None:
    """Its elements may still have many lines."""
    element = '{{\n "index": {},\n "text": "{}"\n}}'
    texts = [(0, KEY[:9]), (1, "and "), (0, KEY[9:]), (1, "so on")]
    body = " [" + ",\n".join(element.format(*one) for one in texts) + "\n]"
    assert [strand.text for strand in strands(body)] == [KEY, "and so on"]


def test_texts_of_several_parts_are_not_mixed_by_name_or_index() -> None:
    """Parts of one name and index belong together, whatever else an event holds."""
    body = '{"a": "1", "a": "2", "b": "x"}\n{"a": "3", "a": "4", "b": "y"}\n'
    assert [strand.text for strand in strands(body)] == ["13", "24", "xy", "1234"]


def test_a_text_may_begin_with_a_percent_sign() -> None:
    """Its first character counts."""
    clean = sent("%22password%22%3A%22hunter2%22")
    assert clean == "%22password%22%3A%22[redacted:password]%22"


def test_a_stream_of_no_declared_type_is_one_by_its_head() -> None:
    """By how it begins, not by what comes late in it."""
    body = f'{{"text": "{KEY[:12]}"}}\n{{"text": "{KEY[12:]}"}}\n'.encode()
    assert KEY[12:].encode() not in Redactor().response(Response(200, "OK", (), body)).body
    assert not is_stream("x" * 5000 + '\n{"a": 1}', "text/plain")
    assert is_stream(' [{"a": 1}\n,\n{"a": 2}]', "application/json")
