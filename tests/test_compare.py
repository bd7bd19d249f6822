"""Old answers against new ones: what is a change, what is noise, and who decides."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given

import pytest_f3dx
from pytest_f3dx import Change, Drift, compare
from pytest_f3dx._diff._compare import MODES
from pytest_f3dx._diff._volatile import TABLE, parse, places
from pytest_f3dx._diff._walk import kind_of
from pytest_f3dx._llm._answer import DIALECTS
from pytest_f3dx._model import Failure, Response
from pytest_f3dx.errors import SettingsError
from tests.test_answer import CHAT, CHAT_STREAM, JSON_VALUES, PAIRS, as_json, sse

Json = dict[str, Any]


def chat(content: object = "Hello", **fields: object) -> Json:
    message = {"role": "assistant", "content": content, **fields}
    return {
        "id": "chatcmpl-AAAA1111",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
        "system_fingerprint": "fp_1",
    }


def calls(arguments: str, name: str = "add", call_id: str = "call_1") -> Json:
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return chat(None, tool_calls=[call])


def paths(drift: Drift) -> list[tuple[str, str, str]]:
    return [(change.path, change.kind, change.severity) for change in drift.changes]


# -- bytes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"x", "x", "", {"a": [1, None]}, [], None, 0.5, True])
@pytest.mark.parametrize("mode", MODES[:3])
def test_a_thing_is_itself(value: object, mode: str) -> None:
    """Equal things are accepted by every mode, without a change or a note."""
    assert compare(value, value, mode) == Drift(ok=True, mode=mode)


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        (b'{"a":1}', b'{"a": 1}', "7 bytes became 8 other bytes"),
        ("ab", "ac", "2 bytes became 2 other bytes"),
        ({"a": 1}, {"a": 2}, "the values differ"),
        (Response(200, body=b"x"), Response(500, body=b"x"), "differs at status"),
    ],
)
def test_bytes(old: object, new: object, note: str) -> None:
    """Mode `bytes` accepts nothing but equality."""
    drift = compare(old, new, "bytes")
    assert (drift.ok, drift.mode, drift.note, len(drift.changes)) == (False, "bytes", note, 1)


def test_bytes_of_values() -> None:
    """Values have no bytes, so the same JSON is equal."""
    assert compare({"a": 1, "b": 2}, {"b": 2, "a": 1}, "bytes").ok
    assert compare(Response(200, body=b"x"), Response(200, body=b"x"), "bytes").ok


# -- structured ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"a":1,"b":[2]}', b'{ "b": [2.0], "a": 1 }'),
        ('{"a":"\\u00e9"}', '{"a":"é"}'),
        ({"a": 1}, {"a": 1.0}),
        ({"a": float("nan")}, {"a": float("nan")}),
        ("NaN", " NaN"),
        (b'{"a":1}', {"a": 1}),
        ((1, 2), [1, 2]),
        ({"a": '{"b": 1}'}, {"a": '{"b":1.0}'}),
        ({"a": 1e-7}, {"a": 0.0000001}),
        (bytearray(b"[1]"), memoryview(b"[1] ")),
    ],
)
def test_the_same_json(old: object, new: object) -> None:
    """Spelling, order of fields and 1 against 1.0 are no difference, within JSON in strings either."""
    drift = compare(old, new)
    assert (drift.ok, drift.changes) == (True, ())


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ({"a": 1}, {"a": 2}, [("$.a", "changed", "error")]),
        ({"a": 1}, {"a": "1"}, [("$.a", "type changed", "error")]),
        ({"a": 1}, {"a": True}, [("$.a", "type changed", "error")]),
        ({"a": 0}, {"a": False}, [("$.a", "type changed", "error")]),
        ([1], [True], [("$[0]", "type changed", "error")]),
        ({"a": 1}, {"a": None}, [("$.a", "type changed", "error")]),
        ({"a": 1}, {}, [("$.a", "removed", "warn")]),
        ({}, {"a": 1}, [("$.a", "added", "info")]),
        ({"a b": {"c": [1, 2]}}, {"a b": {"c": [1, 3]}}, [('$["a b"].c[1]', "changed", "error")]),
        ([1, 2], [1, 2, 3], [("$[2]", "added", "error")]),
        ([1, 2, 3], [1, 3], [("$[1]", "removed", "error")]),
        ({"a": 1}, [1], [("$", "type changed", "error")]),
        ("plain", "text", [("$", "changed", "error")]),
        (b"\xff\x00", b"\xff\x01", [("$.blake3", "changed", "error")]),
        ('{"a": 1', '{"a": 2', [("$", "changed", "error")]),
        (
            {"a": '{"b": 1}'},
            {"a": '{"b": 2, "c": 3}'},
            [("$.a.b", "changed", "error"), ("$.a.c", "added", "info")],
        ),
        ({"a": '{"b": 1}'}, {"a": '{"b": 1'}, [("$.a", "changed", "error")]),
        ({"a": 9007199254740993}, {"a": 9007199254740992}, [("$.a", "changed", "error")]),
        ({"a": float("nan")}, {"a": 1}, [("$.a", "changed", "error")]),
    ],
)
def test_changes(old: object, new: object, wanted: list[tuple[str, str, str]]) -> None:
    """Each place that differs is told with its path, kind and severity; an added field alone is accepted."""
    drift = compare(old, new)
    assert paths(drift) == wanted
    assert drift.ok == all(severity == "info" for *_, severity in wanted)


def test_values_stand_in_the_change() -> None:
    """A change holds what was there and what is there now."""
    assert compare({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}).changes == (
        Change("$.a[1].b", "changed", "x", "y", "error"),
    )
    assert compare({"a": 1}, {"b": 2}).changes == (
        Change("$.a", "removed", 1, None, "warn"),
        Change("$.b", "added", None, 2, "info"),
    )


def test_note_names_the_places() -> None:
    """The note names the first places that decided, and says when none did."""
    many = compare({str(n): n for n in range(5)}, {str(n): n + 1 for n in range(5)})
    assert many.note == 'differs at $["0"], $["1"], $["2"] and 2 more'
    assert compare({}, {"a": 1}).note == "only added fields and counts of tokens differ"


ITEMS = [{"name": f"n{n}", "v": n} for n in range(6)]


@pytest.mark.parametrize(
    ("new", "wanted"),
    [
        (ITEMS[1:], [("$[0]", "removed", "error")]),
        ([*ITEMS[:2], {"name": "x", "v": 9}, *ITEMS[2:]], [("$[2]", "added", "error")]),
        (
            [*ITEMS[:4], {"name": "n4", "v": 5}],
            [("$[4].v", "changed", "error"), ("$[5]", "removed", "error")],
        ),
        (
            [*ITEMS[:5], {"name": "n5"}, {"name": "n6", "v": 6}],
            [("$[5].v", "removed", "warn"), ("$[6]", "added", "error")],
        ),
        (
            [*ITEMS[:5], {"name": "n5", "v": 5, "w": 1}, {"name": "n6", "v": 6}],
            [("$[5].w", "added", "info"), ("$[6]", "added", "error")],
        ),
    ],
)
def test_items_of_lists(new: list[Json], wanted: list[tuple[str, str, str]]) -> None:
    """Items that came or went are told as such, not as a change of all that follow."""
    assert paths(compare(ITEMS, new)) == wanted


def test_words_in_a_list_are_aligned() -> None:
    """Deepdiff finds which items of two lists belong together."""
    drift = compare({"a": list("abcdefg")}, {"a": list("abXdeg")})
    assert paths(drift) == [("$.a[2]", "changed", "error"), ("$.a[5]", "removed", "error")]


def test_long_lists_are_compared_in_order() -> None:
    """Lists too long to be aligned are compared item by item."""
    old, new = [{"n": n} for n in range(600)], [{"n": -n} for n in range(1, 602)]
    drift = compare(old, new)
    assert paths(drift)[-1] == ("$[600]", "added", "error")
    assert len(drift.changes) == 601


def test_vector_is_one_value() -> None:
    """A long list of numbers is one value, and equal within the tolerance."""
    old, new = [0.5] * 100, [0.5000001] * 100
    assert paths(compare({"e": old}, {"e": new})) == [("$.e", "changed", "error")]
    assert compare({"e": old}, {"e": new}, tolerance=1e-6).ok
    assert not compare({"e": old}, {"e": new[1:]}, tolerance=1e-6).ok


@pytest.mark.parametrize(
    ("old", "new", "tolerance", "ok"),
    [
        (100.0, 101.0, 0.01, True),
        (100.0, 102.1, 0.01, False),
        (0.001, 0.002, 0.01, True),
        (1, True, 0.5, False),
        ("1", "1.001", 0.5, True),
        ("a", "b", 0.5, False),
    ],
)
def test_tolerance(old: object, new: object, tolerance: float, ok: bool) -> None:
    """Numbers may differ by the tolerance: relative, and absolute below 1; nothing else may."""
    assert (
        compare({"v": old} if old != "1" else old, {"v": new} if old != "1" else new, tolerance=tolerance).ok
        == ok
    )


def test_nesting_beyond_the_stack_is_a_change_and_no_crash() -> None:
    """Values nested deeper than can be walked differ as a whole."""
    deep = "[" * 800 + "{}" + "]" * 800
    other = "[" * 800 + "[]" + "]" * 800
    assert not compare(deep, other).ok
    assert not compare("[" * 100_000, "[" * 100_001).ok


@given(JSON_VALUES, JSON_VALUES)
def test_no_change_means_the_same(old: object, new: object) -> None:
    """A value is itself; two values without a change are the same JSON but for what is left out."""
    assert compare(old, old) == Drift(ok=True, mode="structured")
    drift = compare([old], [new])
    if not drift.changes and not drift.ignored:
        assert (
            json.dumps(old, sort_keys=True).replace(".0", "")
            == json.dumps(new, sort_keys=True).replace(".0", "")
            or (isinstance(old, str) and isinstance(new, str))
            or old == new
        )


# -- answers of models -----------------------------------------------------------------------------


def test_ids_and_clocks_are_noise() -> None:
    """What changes with every answer is left out, and listed."""
    new = {
        **chat(),
        "id": "chatcmpl-BBBB2222",
        "created": 2,
        "system_fingerprint": "fp_2",
        "service_tier": "x",
    }
    drift = compare(as_json(chat()), as_json(new))
    assert drift.ok
    assert drift.changes == ()
    assert [change.path for change in drift.ignored] == [
        "$.id",
        "$.created",
        "$.system_fingerprint",
        "$.service_tier",
    ]
    assert drift.ignored[1] == Change("$.created", "changed", 1, 2, "info")


def test_fields_that_say_nothing_may_come_and_go() -> None:
    """In an answer of a known API an empty field is as good as none."""
    drift = compare(chat(refusal=None, annotations=[]), chat(audio=None))
    assert drift.ok
    assert [change.path for change in drift.ignored] == [
        "$.choices[0].message.refusal",
        "$.choices[0].message.annotations",
        "$.choices[0].message.audio",
    ]


def test_fields_of_the_api_may_come() -> None:
    """A new field around what the model said is told and accepted."""
    drift = compare(chat(), {**chat(), "moderation": {"flagged": False}})
    assert (drift.ok, paths(drift)) == (True, [("$.moderation", "added", "info")])


def test_counts_of_tokens_decide_nothing() -> None:
    """Another count of tokens is told, and alone it is no drift; what comes from caches is noise."""
    new = chat()
    new["usage"] = {
        "prompt_tokens": 5,
        "completion_tokens": 9,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    drift = compare(chat(), new)
    assert drift.ok
    assert paths(drift) == [
        ("$.usage.completion_tokens", "changed", "info"),
        ("$.usage.total_tokens", "changed", "info"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (chat("Hello"), chat("Goodbye"), "$.choices[0].message.content"),
        (chat("Hello"), {**chat("Hello"), "model": "gpt-5"}, "$.model"),
        (chat(None), chat("text"), "$.choices[0].message.content"),
        (chat(), {**chat(), "choices": []}, "$.choices[0]"),
        (calls('{"a": 1}'), calls('{"a": 2}'), "$.choices[0].message.tool_calls[0].function.arguments.a"),
        (
            calls('{"a": 1}'),
            calls('{"a": 1, "b": 2}'),
            "$.choices[0].message.tool_calls[0].function.arguments.b",
        ),
        (
            calls('{"a": 1, "b": 2}'),
            calls('{"a": 1}'),
            "$.choices[0].message.tool_calls[0].function.arguments.b",
        ),
        (calls("{}"), calls("{}", name="sub"), "$.choices[0].message.tool_calls[0].function.name"),
        (chat(), chat(tool_calls=[{"id": "x"}]), "$.choices[0].message.tool_calls"),
        (chat(), chat(refusal="I cannot."), "$.choices[0].message.refusal"),
    ],
)
def test_what_the_model_said_counts(old: Json, new: Json, path: str) -> None:
    """Anything that changes, comes or goes in what the model said is drift, in arguments of tools too."""
    drift = compare(as_json(old), as_json(new))
    assert not drift.ok
    assert [(change.path, change.severity) for change in drift.changes] == [(path, "error")]


def test_arguments_are_compared_as_json() -> None:
    """White space and order in the arguments of a tool call, and its id, are no difference."""
    assert compare(calls('{"a": 1, "b": [2]}'), calls('{"b":[2.0],"a":1}', call_id="call_2")).ok


def test_stream_is_the_message_it_carries() -> None:
    """A stream is compared with another, however it was cut, and with the answer without streaming."""
    assert compare(CHAT_STREAM, as_json(CHAT)).ok
    whole = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Hello you"}}]}
    pieces = [
        {**whole, "choices": [{"index": 0, "delta": {"content": part}}]} for part in ("Hel", "lo", " you")
    ]
    assert compare(sse(whole), sse(*pieces)).ok
    drift = compare(sse(whole), sse(*pieces[:2]))
    assert drift.changes == (
        Change("$.choices[0].message.content", "changed", "Hello you", "Hello", "error"),
    )


@pytest.mark.parametrize("name", PAIRS)
def test_every_dialect_has_its_noise_and_its_words(name: str) -> None:
    """In each API another text is drift at the place of the text, and the stream is the answer."""
    value, stream, wanted = PAIRS[name]
    assert compare(stream, as_json(value)).ok
    said = wanted.choices[-1].text
    drift = compare(as_json(value), as_json(value).replace(json.dumps(said).encode(), b'"Another text."'))
    (change,) = drift.changes
    assert (change.old, change.new, change.severity) == (said, "Another text.", "error")
    assert places(wanted.provider).is_text(change.path)
    assert not places(wanted.provider).is_call(change.path)


def test_every_dialect_has_a_row() -> None:
    """The table has a row for each API that is read, and each path in it begins at the answer."""
    assert set(TABLE) == {dialect.name for dialect in DIALECTS}
    for row in TABLE.values():
        for path in (path for kind in row for path in kind):
            assert path.startswith("$.")
            assert parse(path)


def test_events_of_an_unknown_api_are_compared_one_by_one() -> None:
    """The events of a stream that is not known are a list of JSON values."""
    assert paths(compare(sse({"a": 1}, {"b": 2}), sse({"a": 1}, {"b": 3}))) == [
        ("$[1].b", "changed", "error")
    ]
    assert compare(b'{"a":1}\n{"b":2}\n', b'{"a": 1}\n{"b": 2}\n').ok


def test_random_ids_of_any_api_are_noise() -> None:
    """An id field that looks random and a clock are noise in any JSON; a plain number or name in one is not."""
    assert compare({"id": "req_a1B2c3D4", "created_at": 1}, {"id": "req_x9Y8z7W6", "created_at": 2}).ok
    assert compare({"requestId": "a"}, {"requestId": "b"}).ok
    assert not compare({"id": 7}, {"id": 8}).ok
    assert not compare({"id": "apples"}, {"id": "pears1"}).ok


# -- responses -------------------------------------------------------------------------------------


def test_status_and_failure() -> None:
    """Two responses differ if their status does, or if one is a transport error."""
    ok = Response(200, headers=(("content-type", "application/json"),), body=b'{"a":1}')
    assert compare(ok, Response(200, body=b'{"a": 1}')).ok
    assert paths(compare(ok, Response(404, body=b'{"a":1}'))) == [("status", "changed", "error")]
    failed = Response(0, failure=Failure("httpx.ReadTimeout", "timed out"))
    assert paths(compare(ok, failed))[:2] == [("status", "changed", "error"), ("failure", "changed", "error")]


# -- what the user leaves out ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ignore", "ok"),
    [
        ("$.total", True),
        ("$..total", True),
        ("$.rows[*].total", False),
        ("$.nested.total", False),
    ],
)
def test_ignored_by_jsonpath(ignore: str, ok: bool) -> None:
    """A JSONPath leaves a place out, and it is listed."""
    drift = compare({"total": 1}, {"total": 2}, ignore=[ignore])
    assert drift.ok == ok
    assert len(drift.ignored) == ok


def test_ignored_in_json_in_a_string() -> None:
    """The path of a change can be pasted as one to leave out, within JSON in a string as well."""
    (change,) = compare(calls('{"a": 1}'), calls('{"a": 2}')).changes
    assert compare(calls('{"a": 1}'), calls('{"a": 2}'), ignore=[change.path]).ok


def test_ignored_below_what_is_added() -> None:
    """A path on one side alone is left out as well, and text has no places."""
    assert compare({"a": 1}, {}, ignore=["$.a"]).ok
    assert not compare("some", "text", ignore=["$.a"]).ok


# -- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (("structurd",), {}, "did you mean 'structured'?"),
        (("structured,",), {}, "mode is ''"),
        (("structured,judg",), {}, "did you mean 'judge'?"),
        (("structured",), {"tolerence": 1}, "did you mean 'tolerance'?"),
        (("structured",), {"ignore": ["total"]}, "ignore holds 'total'"),
        (("judge",), {}, "mode 'judge' has no judge"),
    ],
)
def test_wrong_settings(arguments: tuple[str], options: Json, says: str) -> None:
    """An unknown mode, option or JSONPath and an absent judge are errors that name the nearest."""
    with pytest.raises(SettingsError) as error:
        compare({"a": 1}, {"a": 2}, *arguments, **options)
    assert says in str(error.value)


def test_things_that_cannot_be_compared() -> None:
    """Something that is no body and no JSON value is a TypeError that says what to give."""
    with pytest.raises(TypeError, match="cannot compare 'set'"):
        compare({1}, {2})
    assert kind_of(object()) == "object"
    assert not compare({"a": {1}}, {"a": {2}}).ok


# -- chains ------------------------------------------------------------------------------------------


def test_first_mode_that_accepts_decides() -> None:
    """A chain stops at the mode that accepts, else the last one has said no."""
    assert compare(b"[1]", b"[1] ", "bytes,structured,judge").mode == "structured"
    drift = compare(b"[1]", b"[2]", "bytes, structured")
    assert (drift.ok, drift.mode) == (False, "structured")


def test_equal_bodies_do_not_load_deepdiff() -> None:
    """Accepting equal bodies, or finding one changed leaf, imports neither deepdiff nor a JSONPath library."""
    code = (
        "import sys; from pytest_f3dx import compare\n"
        "assert compare(b'{\"a\":1}', b'{\"a\": 1}').ok and not compare({'a': [1, 2]}, {'a': [1, 3]}).ok\n"
        "assert not {'deepdiff', 'jsonpath', 'vcr', 'yaml', 'wordllama'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=pytest_f3dx.__path__[0] + "/..")
