"""What a review finds between two versions of a cassette."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_f3dx._llm._blocks import attachment
from pytest_f3dx._model import Failure, Interaction, Request, Response
from pytest_f3dx._render import FORMATS, renderer
from pytest_f3dx._review._cassettes import NOTHING, open_cassette
from pytest_f3dx._review._changes import Comparer, Difference
from pytest_f3dx._review._files import disk_file
from pytest_f3dx._review._model import Blob, Context, Entry, InteractionChange, Report, TestChange
from pytest_f3dx._review._pairing import address, pair
from pytest_f3dx._review._payloads import Payloads
from pytest_f3dx._review._pieces import pieces
from tests.reviewing import JSON, URL, answer_of, body_of, chat, interaction, many, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_f3dx._llm._blocks import Attachment


def named(attachment: Attachment) -> Blob:
    """Name a payload as a cassette without blobs does."""
    return Blob(attachment.media, attachment.size_bytes, attachment.digest, "", attachment.url)


def compared(old: Sequence[Interaction], new: Sequence[Interaction], **more: Any) -> Difference:
    """Compare two cassettes."""
    sides = [open_cassette(text_of(*each).encode(), "a.yaml") if each else NOTHING for each in (old, new)]
    return Comparer(named, named, **more).cassettes(*sides)


def only(old: Interaction | None, new: Interaction | None, **more: Any) -> InteractionChange:
    """Compare two cassettes that differ in one interaction."""
    (change,) = compared([old] if old else [], [new] if new else [], **more).interactions
    return change


def told(entries: Sequence[Entry]) -> list[tuple[str, str, str]]:
    """Return part, label and the text word by word."""
    marks = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    return [
        (one.part, one.label, "".join(marks[p.kind].format(p.text) for p in one.pieces)) for one in entries
    ]


# -- one interaction -----------------------------------------------------------------------------------


def test_a_changed_prompt_is_a_change() -> None:
    """A changed prompt and its answer are shown word by word, as one change."""
    change = only(chat("Say hello.", "Hello!"), chat("Say hello, politely.", "Hello, and a good day!"))
    assert (change.kind, change.method, change.url) == ("changed", "POST", URL)
    assert told(change.request) == [("message", "messages[0]", "Say hello{+, politely+}.")]
    assert change.request[0].role == "user"
    assert [one.part for one in change.answer] == ["text"]
    assert (change.answer[0].old, change.answer[0].new) == ("Hello!", "Hello, and a good day!")
    assert change.note == "messages[0], the answer changed"
    assert change.old
    assert change.new
    assert (change.old.model, change.old.tokens_in, change.old.tokens_out) == ("gpt-4o-mini", 8, 3)
    assert (change.old.took_ms, change.old.responses) == (7, 1)
    assert change.old.fingerprint != change.new.fingerprint


def test_model_parameters_and_tools() -> None:
    """Model, parameters and tools are told one by one; what is the same is not."""
    tool = {
        "type": "function",
        "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}},
    }
    other = {"type": "function", "function": {"name": "sub", "description": "Subtracts."}}
    better = {
        "type": "function",
        "function": {"name": "add", "description": "Adds two.", "parameters": {"type": "object"}},
    }
    old = chat({**body_of("Hi."), "temperature": 0, "top_p": 1, "tools": [tool, other], "stop": ["a"]}, "x")
    new = chat(
        {
            **body_of("Hi."),
            "model": "gpt-4.1",
            "temperature": 0.5,
            "seed": 1,
            "tools": [better],
            "stop": ["a"],
        },
        "x",
    )
    change = only(old, new)
    assert told(change.request)[:4] == [
        ("model", "model", "[-gpt-4o-mini-]{+gpt-4.1+}"),
        ("parameter", "temperature", "[-0-]{+0.5+}"),
        ("parameter", "top_p", "[-1-]"),
        ("parameter", "seed", "{+1+}"),
    ]
    assert [(one.part, one.label, one.kind) for one in change.request[4:]] == [
        ("tool", "add", "changed"),
        ("tool", "sub", "removed"),
    ]
    assert not change.answer
    assert (
        change.note == "the model, parameter temperature, parameter top_p, parameter seed and 2 more changed"
    )


def test_a_field_that_no_reader_of_prompts_shows_is_told_of_as_a_place() -> None:
    """Something in a message that is no text, such as a marker for a cache, is not lost."""
    blocks = [{"type": "text", "text": "Hi."}]
    marked = [{"type": "text", "text": "Hi.", "cache_control": {"type": "ephemeral"}}]
    old, new = ({**body_of(""), "messages": [{"role": "user", "content": one}]} for one in (blocks, marked))
    change = only(chat(old, "x"), chat(new, "x"))
    assert told(change.request) == [
        ("body", "$.messages[0].content[0].cache_control", '{+{"type": "ephemeral"}+}')
    ]


def test_a_marker_in_a_message_that_changed_is_told_beside_it() -> None:
    """What no reader shows of a message is told even where its text changed too."""
    marker = {"cache_control": {"type": "ephemeral"}}
    blocks = [[{"type": "text", "text": "Hi."}], [{"type": "text", "text": "Hi there.", **marker}]]
    old, new = ({**body_of(""), "messages": [{"role": "user", "content": one}]} for one in blocks)
    request = only(chat(old, "x"), chat(new, "x")).request
    assert [one.label for one in request] == ["messages[0]", "$.messages[0].content[0].cache_control"]


def test_messages_that_came_and_went() -> None:
    """An inserted message moves the others, and is the only one told of."""
    system = {"role": "system", "content": "Be brief."}
    user, said = {"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Yes?"}
    old, new = ({**body_of(""), "messages": messages} for messages in ([user, said], [system, user, said]))
    assert told(only(chat(old, "x"), chat(new, "x")).request) == [("message", "messages[0]", "{+Be brief.+}")]
    assert told(only(chat(new, "x"), chat(old, "x")).request) == [("message", "messages[0]", "[-Be brief.-]")]


def test_a_message_of_another_role() -> None:
    """The same text from somebody else is a change that names both."""
    old, new = (
        {**body_of(""), "messages": [{"role": role, "content": "Hi."}]} for role in ("user", "system")
    )
    request = only(chat(old, "x"), chat(new, "x")).request
    assert [(one.role, one.kind) for one in request] == [("user", "removed"), ("system", "added")]
    one, other = ({"role": "user", "name": name, "content": "Hi."} for name in ("ann", "bob"))
    (entry,) = only(*(chat({**body_of(""), "messages": [m]}, "x") for m in (one, other))).request
    assert entry.role == "user → user (bob)"
    assert told([entry]) == [("message", "messages[0]", "Hi.")]


def test_answers_with_tools_reasoning_and_an_end() -> None:
    """Tool calls are compared in one spelling; reasoning, refusal and the reason of the end are told."""

    def answer(arguments: str, **more: Any) -> dict[str, Any]:
        call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": arguments}}
        value = answer_of("", tool_calls=[call], **more)
        value["choices"][0]["finish_reason"] = "tool_calls"
        return value

    old = chat("Add.", answer('{"a":1, "b":2}', reasoning_content="Hm."))
    new = chat("Add.", answer('{"a": 1,"b":3}', reasoning_content="Oh."))
    assert told(only(old, new).answer) == [
        ("reasoning", "", "[-Hm-]{+Oh+}."),
        ("tool call", "", 'add({"a": 1, "b": [-2-]{+3+}})'),
    ]
    ended = answer_of("No.")
    ended["choices"][0]["finish_reason"] = "length"
    assert told(only(chat("Add.", "No."), chat("Add.", ended)).answer) == [
        ("finish", "", "[-stop-]{+length+}")
    ]
    assert told(only(chat("Add.", "No."), chat("Add.", answer_of("", refusal="Never."))).answer) == [
        ("text", "", "[-No.-]"),
        ("refusal", "", "{+Never.+}"),
    ]


def test_two_choices_and_two_answers() -> None:
    """Of several choices and several answers each is named."""
    old = answer_of("a")
    old["choices"].append(
        {"index": 1, "message": {"role": "assistant", "content": "b"}, "finish_reason": "stop"}
    )
    new = json.loads(json.dumps(old))
    new["choices"][1]["message"]["content"] = "c"
    assert told(only(chat("Hi.", old), chat("Hi.", new)).answer) == [("text", "choice 2", "[-b-]{+c+}")]
    one, two = chat("Hi.", "a"), chat("Hi.", "b")
    both = interaction(one.request, *one.responses, *two.responses)
    change = only(one, both)
    assert told(change.answer) == [("text", "answer 2", "{+b+}"), ("finish", "answer 2", "{+stop+}")]
    assert change.new
    assert (change.new.responses, change.new.tokens_in) == (2, 16)


def test_places_of_an_answer_that_no_reader_of_answers_shows() -> None:
    """A citation, or the model that answered, is told beside the text; what the text shows is not told twice."""
    old, new = answer_of("Yes."), answer_of("No.")
    new["model"] = "gpt-4o-mini-2025"
    new["choices"][0]["message"]["annotations"] = [{"url": "https://x.example"}]
    new["citations"] = ["https://x.example"]
    found = told(only(chat("Hi.", old), chat("Hi.", new)).answer)
    assert [(part, label) for part, label, _ in found] == [
        ("text", ""),
        ("model", "answered by"),
        ("body", "$.choices[0].message.annotations"),
    ]


def test_vectors_are_counted() -> None:
    """An embedding is not shown number by number."""
    url = "https://api.openai.com/v1/embeddings"
    old, new = (
        chat({"model": "m", "input": "a"}, {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [n] * 99}]}, url=url)
        for n in (0.5, 0.25)
    )  # fmt: skip
    assert told(only(old, new).answer) == [
        ("body", "$.data[0].embedding", "[-(99 numbers)-]{+(99 numbers)+}")
    ]


def test_an_answer_without_drift_is_the_same() -> None:
    """Ids, times and counts alone are noise: counted, shown only on request."""
    old = chat("Hi.", answer_of("Yes?"))
    new = chat("Hi.", answer_of("Yes?", id="chatcmpl-BBBBBBBB2", created=2, tokens=(9, 4)))
    found = compared([old], [new])
    assert (found.interactions, found.unchanged, found.noisy) == ([], 1, 1)
    (change,) = compared([old], [new], show_ignored=True).interactions
    assert not change.answer
    assert {"$.id", "$.created"} <= {place.path for place in change.ignored}
    assert change.note == "only volatile places differ"


def test_ids_that_come_back_in_the_next_request_are_noise() -> None:
    """A tool call's id in a later request makes another fingerprint, but says nothing new."""

    def later(name: str) -> Interaction:
        call = {"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        messages = [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": name, "content": "1"},
        ]
        return chat({**body_of(""), "messages": messages}, "x")

    found = compared([later("call_aaaaaaaa1")], [later("call_bbbbbbbb2")])
    assert (found.interactions, found.noisy) == ([], 1)


def test_ignored_places_are_left_out() -> None:
    """A JSONPath of the user's makes a place noise."""
    old, new = (
        interaction(
            Request("GET", "https://x.example/a"), Response(200, "OK", JSON, json.dumps({"n": n}).encode())
        )
        for n in (1, 2)
    )
    assert told(only(old, new).answer) == [("body", "$.n", "[-1-]{+2+}")]
    assert compared([old], [new], ignore=("$.n",)).noisy == 1


def get(
    body: bytes, *, kind: str = "text/plain", status: int = 200, failure: Failure | None = None
) -> Interaction:
    """Return an interaction with a plain server."""
    headers = () if failure else (("content-type", kind),)
    answer = Response(0 if failure else status, "", headers, body, failure=failure)
    return interaction(Request("GET", "https://x.example/a"), answer)


def test_bodies_that_are_no_answers() -> None:
    """Text is compared by words, bytes by their hash; a status or a transport error is told."""
    assert told(only(get(b"one two three"), get(b"one 2 three")).answer) == [
        ("body", "$", "one [-two-]{+2+} three")
    ]
    (entry,) = [one for one in only(get(b"\0\xff"), get(b"\0\xfe")).answer if "blake3" in one.label]
    assert entry.kind == "changed"
    assert told(only(get(b"x"), get(b"y", status=404)).answer)[0] == ("status", "", "[-200-]{+404+}")
    change = only(get(b"x"), get(b"", failure=Failure("httpx.ReadTimeout", "late")))
    assert told(change.answer)[0] == ("status", "", "[-200-]{+httpx.ReadTimeout: late+}")


def test_whole_interactions_are_shown_whole() -> None:
    """What came or went is shown with its prompt and answer, its body or its payload."""
    change = only(None, chat("Hi.", "Yes?"))
    assert (change.kind, change.old, change.note) == ("added", None, "request added")
    assert told(change.request) == [
        ("model", "model", "{+gpt-4o-mini+}"),
        ("message", "messages[0]", "{+Hi.+}"),
    ]
    assert told(change.answer) == [("text", "", "{+Yes?+}"), ("finish", "", "{+stop+}")]
    change = only(chat("Hi.", "Yes?"), None)
    assert (change.kind, change.new) == ("removed", None)
    assert told(change.answer) == [("text", "", "[-Yes?-]"), ("finish", "", "[-stop-]")]
    post = Request("POST", "https://x.example/a", JSON, b'{"a":1}')
    change = only(None, interaction(post, Response(500, "", (), b"\0\xff")))
    assert told(change.request) == [("body", "", '{+{\n  "a": 1\n}+}')]
    assert [one.part for one in change.answer] == ["status", "body"]
    assert change.answer[1].new_blobs[0].size_bytes == 2
    change = only(interaction(post, Response(200, "", (), b"\0\xff")), None)
    assert change.answer[0].old_blobs[0].size_bytes == 2


def test_query_and_headers() -> None:
    """A changed query and a changed header of the request are told."""
    one = Request("GET", "https://x.example/a?n=1", (("accept", "a/b"),))
    other = Request("GET", "https://x.example/a?n=2", (("accept", "a/c"), ("x-api-version", "2")))
    change = only(*(interaction(request, Response(200)) for request in (one, other)))
    assert told(change.request)[1:] == [
        ("header", "accept", "[-a/b-]{+a/c+}"),
        ("header", "x-api-version", "{+2+}"),
    ]
    assert change.request[0].part == "url"


def test_headers_of_answers() -> None:
    """Another content type or redirection is a change, any other header is noise."""

    def answered(*headers: tuple[str, str]) -> Interaction:
        return interaction(Request("GET", "https://x.example/a"), Response(302, "", headers))

    old = answered(("content-type", "text/html"), ("location", "/b"), ("vary", "a"), ("age", "1"))
    change = only(old, answered(("content-type", "text/plain"), ("vary", "b"), ("via", "c")))
    assert told(change.answer) == [
        ("header", "content-type", "[-text/html-]{+text/plain+}"),
        ("header", "location", "[-/b-]"),
    ]
    assert [(place.path, place.kind) for place in change.ignored] == [
        ("headers.vary", "changed"),
        ("headers.age", "removed"),
        ("headers.via", "added"),
    ]
    assert compared([answered(("age", "1"))], [answered(("age", "2"))]).noisy == 1


# -- payloads ------------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


def picture(data: bytes, text: str = "What is this?") -> dict[str, Any]:
    """Return the body of a request with a picture."""
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    content = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
    return {**body_of(""), "messages": [{"role": "user", "content": content}]}


def test_a_changed_picture() -> None:
    """A picture is told by type, size and hash; its base64 is not shown."""
    change = only(chat(picture(PNG), "x"), chat(picture(PNG + b"1"), "x"))
    (entry,) = change.request
    assert told([entry]) == [("message", "messages[0]", "What is this?")]
    assert [(b.media, b.size_bytes) for b in (*entry.old_blobs, *entry.new_blobs)] == [
        ("image/png", len(PNG)),
        ("image/png", len(PNG) + 1),
    ]
    assert entry.new_blobs[0].is_image
    (entry,) = only(chat(picture(PNG), "x"), chat(picture(PNG, "What now?"), "x")).request
    assert (entry.old_blobs, entry.new_blobs) == ((), ())


def test_a_picture_in_an_answer() -> None:
    """A long base64 string in any JSON is a payload."""
    old, new = (
        chat({"model": "gpt-image-1", "prompt": "A cat."}, {"data": [{"b64_json": base64.b64encode(data * 3).decode()}]},
             url="https://api.openai.com/v1/images/generations")
        for data in (PNG, PNG + b"1")
    )  # fmt: skip
    (entry,) = only(old, new).answer
    assert entry.label == "$.data[0].b64_json"
    assert [blob.size_bytes for blob in (*entry.old_blobs, *entry.new_blobs)] == [624, 627]
    assert not entry.pieces or "(payload)" in entry.old


def test_a_binary_answer_that_is_a_blob(tmp_path: Path) -> None:
    """A large binary answer is told by type, size and hash; its blob is not read."""
    sides = []
    for data in (PNG * 20, PNG * 20 + b"1"):
        text = text_of(get(data, kind="image/png"), blobs=tmp_path)
        sides.append(open_cassette(text.encode(), "a.yaml"))
    (change,) = Comparer(named, named).cassettes(*sides).interactions
    (entry,) = change.answer
    assert len(entry.old_blobs) == len(entry.new_blobs) == 1
    (change,) = Comparer(named, named).cassettes(NOTHING, sides[1]).interactions
    assert len(change.answer[0].new_blobs) == 1


def test_payloads_give_what_stands_in_the_cassette_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small payload is kept for those who show it; beyond a limit, or of other content, it is not."""
    file = disk_file(Path("a.yaml"), "a.yaml")
    payloads = Payloads()
    one = attachment(base64.b64encode(PNG).decode(), "image/png")
    blob = payloads.blob(one, file)
    assert (blob.size_bytes, blob.path, payloads.read(blob)) == (len(PNG), "", PNG)
    assert payloads.blob(one, file) == blob
    link = payloads.blob(attachment("https://x.example/a.png", ""), file)
    assert (link.url, payloads.read(link)) == ("https://x.example/a.png", None)
    monkeypatch.setattr("pytest_f3dx._review._payloads._KEPT_BYTES", 10)
    other = payloads.blob(attachment(base64.b64encode(PNG[::-1]).decode(), ""), file)
    assert payloads.read(other) is None


def test_long_strings_that_are_no_payloads() -> None:
    """Prose and things that only look like base64 stay text."""
    for text in ("word " * 200, "x" * 600 + "!", "line\n" * 200):
        old, new = (
            get(json.dumps({"a": value}).encode(), kind="application/json") for value in (text, text + "z")
        )
        (entry,) = only(old, new).answer
        assert (entry.old_blobs, entry.new_blobs, entry.old) == ((), (), text)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["content", "text", "type", "role", "choices", "message", "model", "tool_calls", "usage", "id", "output",
                         "delta", "candidates", "parts", "function", "arguments", "name", "data", "embedding", "url", "source"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(*[JSON_VALUES] * 4, st.sampled_from([URL, "https://x.example/v1/messages", "https://x.example/models/m:generateContent"]))  # fmt: skip
def test_any_two_interactions_are_compared(
    one: object, two: object, three: object, four: object, url: str
) -> None:
    """Whatever stands in bodies, comparing raises nothing, itself differs in nothing, and every format shows it."""
    shapes: list[Any] = [
        {"messages": one, "model": two, "tools": three, "contents": four},
        {
            "messages": [{"role": "user", "content": two, "tool_calls": one}],
            "tools": [four],
            "contents": [{"parts": one}],
        },
    ]
    sides = [
        chat(shape, {"choices": [three], "content": four, "candidates": [one]}, url=url) for shape in shapes
    ]
    comparer = Comparer(named, named)
    for old, new in (sides, [sides[0], None], [None, sides[1]]):
        change = comparer.interaction(old, new)
        report = Report("a", "b", (TestChange("t", "c.yaml", "changed", interactions=(change,)),))
        for name in FORMATS:
            assert renderer(name)(report, Context(show_ignored=True))
    same = comparer.interaction(sides[0], sides[0])
    assert (same.request, same.answer, same.drift) == ((), (), ())


# -- pairs ---------------------------------------------------------------------------------------------


def test_among_many_each_finds_its_old_self() -> None:
    """Every changed request is paired with its own old self, whatever the order."""
    old = many(40)
    new = many(40, change=range(40))
    random.Random(1).shuffle(new)
    found = compared(old, new)
    assert len(found.interactions) == 40
    for change in found.interactions:
        assert change.kind == "changed"
        (entry,) = change.request
        assert entry.old == entry.new.replace(", please", "")
        assert not change.answer


def test_changed_added_removed_and_same_together() -> None:
    """What is the same is counted, the rest stands in the order of the new cassette."""
    old = [*many(5), chat("A question that nobody asks any more at all.", "x")]
    new = [
        *many(5, change=[3]),
        chat("Something quite new here.", "y", url="https://x.example/v1/chat/completions"),
    ]
    found = compared(old, new)
    assert [(one.kind, one.note) for one in found.interactions] == [
        ("changed", "messages[0] changed"),
        ("removed", "request removed"),
        ("added", "request added"),
    ]
    assert found.unchanged == 4


def test_a_model_in_the_path_is_no_other_address() -> None:
    """The same question to another model of Gemini or Bedrock is a change of the model."""
    body = {"contents": [{"role": "user", "parts": [{"text": "Hi."}]}]}
    old, new = (
        chat(body, "x", url=f"https://generativelanguage.googleapis.com/v1beta/models/{name}:generateContent")
        for name in ("gemini-1.5-flash", "gemini-2.5-flash")
    )
    change = only(old, new)
    assert change.kind == "changed"
    assert [one.part for one in change.request] == ["url", "model"]
    assert address(Request("POST", "https://x/model/a.b-v1%3A0/converse")) == (
        "POST",
        "https://x/model/*/converse",
    )


def test_unlike_requests_to_one_address_are_paired_in_order() -> None:
    """A prompt that has nothing in common with its old self is still a change if there is only one."""
    assert only(chat("Alpha", "x"), chat("Omega", "x")).kind == "changed"
    old = [Request("POST", URL, (), body) for body in (b"alpha", b"beta")]
    new = [Request("POST", URL, (), body) for body in (b"omega", b"psi", b"chi")]
    assert pair(old, new) == [(0, 0), (1, 1), (None, 2)]
    assert pair(old, []) == [(0, None), (1, None)]
    assert pair([], new) == [(None, 0), (None, 1), (None, 2)]


@given(st.lists(st.binary(max_size=6), max_size=6), st.lists(st.binary(max_size=6), max_size=6))
def test_pairs_lose_and_double_nothing(old: list[bytes], new: list[bytes]) -> None:
    """Every request is in exactly one pair, the new ones in their order."""
    found = pair(*([Request("POST", URL, (), body) for body in bodies] for bodies in (old, new)))
    assert sorted(i for i, _ in found if i is not None) == list(range(len(old)))
    assert [j for _, j in found if j is not None] == list(range(len(new)))
    assert (None, None) not in found


# -- words, cost, damage ---------------------------------------------------------------------------------


@given(st.text(max_size=40), st.text(max_size=40))
def test_pieces_give_both_texts_back(old: str, new: str) -> None:
    """What is the same or removed is the old text, what is the same or added the new one."""
    found = pieces(old, new)
    assert "".join(p.text for p in found if p.kind != "added") == old
    assert "".join(p.text for p in found if p.kind != "removed") == new
    assert all(p.text for p in found)


def test_texts_without_anything_in_common_are_two_texts() -> None:
    """A few shared words in another text are no help to a reader."""
    found = pieces("totally different text, as it is", "nothing alike whatsoever as we know, friend")
    assert [piece.kind for piece in found] == ["removed", "added"]


def test_cost_comes_from_a_table_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The price of a known model is estimated offline; an unknown one, or no table, costs None."""
    change = only(
        chat("a", answer_of("x", tokens=(1_000_000, 0))), chat("b", answer_of("y", tokens=(2_000_000, 0)))
    )
    assert change.old
    assert change.new
    assert change.old.cost_usd == pytest.approx(0.15)
    assert change.new.cost_usd == pytest.approx(0.30)
    local = only(None, chat("a", "x", url="http://127.0.0.1:1/v1/chat/completions"))
    assert local.new
    assert local.new.cost_usd is not None, "a gateway to a known model"
    odd = only(None, chat({**body_of("a"), "model": "home-made"}, "x"))
    assert odd.new
    assert odd.new.cost_usd is None
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    again = only(None, chat("a", "x"))
    assert again.new
    assert again.new.cost_usd is None


def test_totals_sum_what_is_known() -> None:
    """Totals leave out what no answer says."""
    change = only(chat("a", "x"), chat("b", "y"))
    assert change.new
    bare = replace(change, new=replace(change.new, tokens_in=None, tokens_out=None, cost_usd=None))
    totals = Report("a", "b", (TestChange("t", "c", "changed", interactions=(change, bare)),)).totals
    assert (totals.tokens_in_old, totals.tokens_in_new) == (16, 8)
    assert Report("a", "b").totals.cost_usd_new is None


def test_only_what_differs_in_its_text_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large cassette only the changed interactions are parsed."""
    from pytest_f3dx._index import LazyCassette

    parsed: list[str] = []
    real = LazyCassette.get

    def get(self: LazyCassette, key: str) -> Interaction | None:
        parsed.append(key)
        return real(self, key)

    monkeypatch.setattr(LazyCassette, "get", get)
    assert len(compared(many(50), many(50, change=[7])).interactions) == 1
    assert len(parsed) == 2


def test_a_cassette_of_vcrpy_is_redacted_before_it_is_shown() -> None:
    """Secrets that another tool has recorded do not reach a report."""
    secret = "sk-" + "abcdefghijklmnopqrstuvwx0123456789ABCD"
    text = f"""version: 1
interactions:
- request:
    method: POST
    uri: {URL}
    headers: {{Authorization: [Bearer {secret}], Content-Type: [application/json]}}
    body: '{{"model":"m","messages":[{{"role":"user","content":"Use {secret}."}}]}}'
  response:
    status: {{code: 200, message: OK}}
    headers: {{Content-Type: [text/plain], Set-Cookie: [a={secret}]}}
    body: {{string: "Key {secret}"}}
"""
    cassette = open_cassette(text.encode(), "a.yaml")
    change = Comparer(named, named).cassettes(NOTHING, cassette).interactions[0]
    assert secret not in repr(change)
    assert "[redacted" in change.request[1].new
    assert cassette.raw(cassette.fingerprints[0]) is None
    found = Comparer(named, named).cassettes(cassette, open_cassette(text.encode(), "b.yaml"))
    assert (found.interactions, found.unchanged, found.noisy) == ([], 1, 0)


def test_names_of_blobs_are_checked() -> None:
    """A blob's name that leads elsewhere is refused, though no blob is read."""
    from pytest_f3dx._review._stand_in import NamedBlobs, media_of, named
    from pytest_f3dx.errors import BlobError

    name = f"ab/ab{'0' * 62}.png"
    assert named(NamedBlobs().get(name)) == name
    assert (named(b"x"), named(b"f3dx-blob:../x")) == ("", "")
    assert (media_of(name), media_of("x.webp"), media_of("x.bin")) == ("image/png", "image/webp", "")
    with pytest.raises(BlobError):
        NamedBlobs().get("../../etc/passwd")
