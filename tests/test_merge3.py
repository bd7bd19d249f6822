"""Two branches of a cassette are merged by interaction: what each did is kept, and what cannot be is a conflict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_f3dx import _cassette
from pytest_f3dx._blobs import BlobStore
from pytest_f3dx._fingerprint import fingerprint_request
from pytest_f3dx._git._merge3 import Clash, Conflict, merge3
from pytest_f3dx._git._merge_text import merged
from pytest_f3dx._model import Cassette, Interaction, Request, Response
from pytest_f3dx.errors import CassetteError

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = settings(max_examples=80, deadline=None, derandomize=True)
PATH = Path("cassettes/some.yaml")
STORE = BlobStore(Path("nowhere"))
JSON = (("content-type", "application/json"),)


def said(
    prompt: str, answer: str = "yes", *, made: str = "", path: str = "/chat", at: str = ""
) -> Interaction:
    """Make an interaction; ``made`` is an id that the server made up, ``at`` the time of the recording."""
    request = Request("POST", f"https://api.test{path}", JSON, json.dumps({"prompt": prompt}).encode())
    body = json.dumps({"id": made, "answer": answer} if made else {"answer": answer}).encode()
    return Interaction(fingerprint_request(request), request, [Response(200, "OK", JSON, body, at)])


def cassette(*interactions: Interaction, test: str = "t.py::t", ignore: tuple[str, ...] = ()) -> Cassette:
    return Cassette(test, {one.fingerprint: one for one in interactions}, ignore)


def prompts(result: Cassette | Conflict) -> list[str]:
    """Return the prompts of a merged cassette, in order."""
    assert isinstance(result, Cassette), result
    return [json.loads(one.request.body)["prompt"] for one in result.interactions.values()]


def answers(result: Cassette | Conflict) -> list[str]:
    assert isinstance(result, Cassette), result
    return [json.loads(one.responses[0].body)["answer"] for one in result.interactions.values()]


def text(of: Cassette) -> bytes:
    return _cassette.dump(of, STORE).encode()


def clash(result: Cassette | Conflict) -> Clash:
    """Return the one clash of a conflict."""
    assert isinstance(result, Conflict), result
    (found,) = [piece for piece in result.pieces if isinstance(piece, Clash)]
    assert len(result.why) == 1
    assert found.why in result.why[0]
    return found


# -- what is merged ----------------------------------------------------------------------------------


def test_additions_of_both_sides_are_kept_where_they_were_asked() -> None:
    """Ours keep their order; a new one of theirs follows what it follows there, after ours at the same place."""
    base = cassette(said("a"), said("b"))
    ours = cassette(said("a"), said("our 1"), said("b"), said("our 2"))
    theirs = cassette(
        said("their 0"), said("a"), said("their 1"), said("their 2"), said("b"), said("their 3")
    )
    merged = merge3(base, ours, theirs)
    assert prompts(merged) == ["their 0", "a", "our 1", "their 1", "their 2", "b", "our 2", "their 3"]


def test_removals_and_changed_answers_of_one_side_are_honoured() -> None:
    """What one side removed or answered anew stays so when the other left it alone."""
    base = cassette(said("a"), said("b"), said("c"))
    ours = cassette(said("a", "no"), said("b"), said("c"))
    theirs = cassette(said("a"), said("c", "never"))
    both = merge3(base, ours, theirs)
    assert (prompts(both), answers(both)) == (["a", "c"], ["no", "never"])
    again = merge3(base, theirs, ours)
    assert (prompts(again), answers(again)) == (["a", "c"], ["no", "never"])


def test_changed_prompt_of_one_side_and_addition_of_the_other() -> None:
    """A prompt changed here and a request added there are no conflict; the change keeps its place."""
    base = cassette(said("a"), said("b"))
    assert prompts(
        merge3(base, cassette(said("A"), said("b")), cassette(said("a"), said("b"), said("c")))
    ) == [
        "A",
        "b",
        "c",
    ]
    assert prompts(
        merge3(base, cassette(said("a"), said("b"), said("c")), cassette(said("A"), said("b")))
    ) == [
        "A",
        "b",
        "c",
    ]


def test_files_begun_on_both_sides_are_united() -> None:
    """Without an ancestor all interactions are new; the same one recorded twice is one."""
    ours, theirs = cassette(said("a"), said("b")), cassette(said("b"), said("c"))
    assert prompts(merge3(None, ours, theirs)) == ["a", "b", "c"]


def test_ids_and_times_are_no_difference() -> None:
    """An answer that both sides recorded anew, the same but for ids and times, is ours."""
    base = cassette(said("a", made="cmpl-00000001", at="2026-01-01T00:00:00Z"), said("b", "old"))
    ours = cassette(said("a", made="cmpl-00000002", at="2026-01-02T00:00:00Z"), said("b", "old"), said("c"))
    theirs = cassette(said("a", made="cmpl-00000003", at="2026-01-03T00:00:00Z"), said("b", "new"))
    result = merge3(base, ours, theirs)
    assert (prompts(result), answers(result)) == (["a", "b", "c"], ["yes", "new", "yes"])
    assert isinstance(result, Cassette)
    assert result.interactions[said("a").fingerprint] is ours.interactions[said("a").fingerprint]


def test_side_that_says_nothing_new_yields_as_a_whole() -> None:
    """New ids here, new answers there: theirs, or ours, whichever says something; alike on both: ours."""
    base = cassette(said("a", made="cmpl-00000001"), said("use call_00000001"))
    noise = cassette(said("a", made="cmpl-00000002"), said("use call_00000001"))
    news = cassette(said("a", "no", made="cmpl-00000003"), said("use call_00000001"))
    assert merge3(base, noise, news) == news
    assert merge3(base, news, noise) == news
    assert merge3(base, noise, base) == noise
    one_more = cassette(*news.interactions.values(), said("c"))
    more_noise = cassette(*noise.interactions.values(), said("d"))
    assert answers(merge3(base, more_noise, one_more))[0] == "no"
    assert answers(merge3(base, one_more, more_noise))[0] == "no"


def test_removal_of_an_answer_that_only_got_new_ids_is_honoured() -> None:
    """A new id is no reason to keep what the other side removed."""
    base = cassette(said("a", made="cmpl-00000001"), said("b"))
    ours = cassette(said("a", made="cmpl-00000002"), said("b"), said("c"))
    assert prompts(merge3(base, ours, cassette(said("b")))) == ["b", "c"]


def test_renamed_test_is_followed() -> None:
    """The node id is that of the side that changed it; changed on both sides it is a conflict."""
    base, ours = cassette(said("a"), test="a"), cassette(said("a"), said("b"), test="a")
    result = merge3(base, ours, cassette(said("a"), test="two"))
    assert isinstance(result, Cassette)
    assert result.test == "two"
    assert prompts(result) == ["a", "b"]
    both = merge3(base, cassette(test="one"), cassette(test="two"))
    assert isinstance(both, Conflict)
    assert both.why == ("the sides belong to different tests",)


def test_order_of_the_side_that_rearranged() -> None:
    """If theirs alone put the requests in another order, that order is taken."""
    base = cassette(said("a"), said("b"))
    theirs = cassette(said("b"), said("a"))
    assert prompts(merge3(base, cassette(said("a"), said("b"), said("c")), theirs)) == ["b", "c", "a"]
    assert prompts(merge3(base, theirs, cassette(said("a"), said("b"), said("c")))) == ["b", "c", "a"]


# -- what is not -------------------------------------------------------------------------------------


def test_two_answers_to_one_request_are_a_conflict() -> None:
    """Both sides have another answer, whether the ancestor had one or not."""
    for base in (cassette(said("a")), None):
        found = clash(merge3(base, cassette(said("a", "no")), cassette(said("a", "never"))))
        assert (found.ours, found.theirs) == ((said("a", "no"),), (said("a", "never"),))


def test_new_answer_to_a_removed_request_is_a_conflict() -> None:
    """One side removed what the other recorded anew."""
    base = cassette(said("a"), said("b"))
    ours, theirs = cassette(said("a", "no"), said("b")), cassette(said("b"))
    assert clash(merge3(base, ours, theirs)) == Clash(
        (said("a", "no"),), (), clash(merge3(base, ours, theirs)).why
    )
    assert clash(merge3(base, theirs, ours)).theirs == (said("a", "no"),)


def test_prompt_changed_on_both_sides_is_a_conflict() -> None:
    """Two successors of one request are one place with two texts; to keep both would leave one unplayed."""
    base = cassette(said("a"), said("file", path="/files"))
    ours = cassette(said("our a"), said("file", path="/files"))
    theirs = cassette(said("their a"), said("file", path="/files"), said("x", path="/other"))
    result = merge3(base, ours, theirs)
    found = clash(result)
    assert (found.ours, found.theirs) == ((said("our a"),), (said("their a"),))
    assert isinstance(result, Conflict)
    assert len(result.pieces) == 3
    same = merge3(base, ours, cassette(*ours.interactions.values(), said("c", path="/other")))
    assert prompts(same) == ["our a", "file", "c"]


def test_id_that_a_kept_request_carries_is_not_given_up() -> None:
    """Of answers that differ in ids alone that one is taken whose id comes back; both come back: a conflict."""
    base = cassette(said("a", made="call_00000001"))
    ours = cassette(said("a", made="call_00000002"), said("b"))
    theirs = cassette(said("a", made="call_00000003"), said("result of call_00000003"))
    for result in (merge3(base, ours, theirs), merge3(base, theirs, ours)):
        assert isinstance(result, Cassette)
        assert result.interactions[said("a").fingerprint] == said("a", made="call_00000003")
        assert set(prompts(result)) == {"a", "b", "result of call_00000003"}
    both = cassette(said("a", made="call_00000002"), said("no result of call_00000002"))
    found = clash(merge3(base, both, theirs))
    assert (found.ours, found.theirs) == (
        (said("a", made="call_00000002"),),
        (said("a", made="call_00000003"),),
    )
    anew = cassette(said("a", "no", made="call_00000004"))
    added = cassette(said("a", made="call_00000001"), said("result of call_00000001"))
    assert clash(merge3(base, anew, added)).ours == (said("a", "no", made="call_00000004"),)
    assert clash(merge3(base, added, anew)).theirs == (said("a", "no", made="call_00000004"),)


def test_other_loosening_is_a_conflict() -> None:
    """Fingerprints made by other rules do not compare."""
    result = merge3(cassette(said("a")), cassette(said("a"), ignore=("$.x",)), cassette(said("a"), said("b")))
    assert isinstance(result, Conflict)
    assert "ignore" in result.why[0]
    assert not result.pieces


# -- laws --------------------------------------------------------------------------------------------

NAMES = "abcdef"
sides = st.lists(
    st.builds(
        said,
        st.sampled_from(NAMES),
        st.sampled_from(["yes", "no"]),
        made=st.sampled_from(["", "cmpl-00000001", "cmpl-00000002"]),
        path=st.just("/chat"),
    ),
    max_size=5,
).map(lambda interactions: cassette(*interactions))


@QUICK
@given(sides, sides)
def test_what_one_side_left_alone_is_the_other_side(base: Cassette, side: Cassette) -> None:
    """Merging with the ancestor, or with oneself, gives the side."""
    assert merge3(base, base, side) == side
    assert merge3(base, side, base) == side
    assert merge3(base, side, side) == side


@QUICK
@given(sides, sides, sides)
@example(cassette(said("a")), cassette(said("b")), cassette(said("c")))
def test_nothing_is_lost_or_invented(base: Cassette, ours: Cassette, theirs: Cassette) -> None:
    """Each interaction is of a side; what one side added is there, what one removed is not; sides may be swapped."""
    result, swapped = merge3(base, ours, theirs), merge3(base, theirs, ours)
    assert isinstance(result, Conflict) == isinstance(swapped, Conflict)
    if isinstance(result, Conflict) or isinstance(swapped, Conflict):
        return
    assert result.interactions.keys() == swapped.interactions.keys()
    for key, one in result.interactions.items():
        assert one in (ours.interactions.get(key), theirs.interactions.get(key))
        assert key not in base.interactions or (key in ours.interactions and key in theirs.interactions)
    added = {*ours.interactions, *theirs.interactions} - base.interactions.keys()
    assert added <= result.interactions.keys()


@QUICK
@given(sides, sides, sides)
def test_text_of_a_merge_is_what_is_merged(base: Cassette, ours: Cassette, theirs: Cassette) -> None:
    """The file loads as the merged cassette and saves to the same bytes; with markers it is refused as such."""
    data, why = merged(text(base), text(ours), text(theirs), PATH)
    result = merge3(base, ours, theirs)
    if isinstance(result, Cassette):
        assert not why
        assert _cassette.load(data, PATH, STORE) == result
        assert text(result) == data
    else:
        assert list(result.why) == why
        with pytest.raises(CassetteError, match="merge conflict markers"):
            _cassette.load(data, PATH, STORE)


@QUICK
@given(sides, sides, sides)
def test_taking_a_side_of_each_conflict_gives_a_cassette(
    base: Cassette, ours: Cassette, theirs: Cassette
) -> None:
    """Whoever keeps the lines of one side between the markers has a valid cassette."""
    data, why = merged(text(base), text(ours), text(theirs), PATH, marker=9)
    assert data.count(b"<" * 9 + b" ours\n") == data.count(b"=" * 9 + b"\n") == len(why)
    for side in (0, 1):
        assert taken(data, side).interactions is not None


def taken(data: bytes, side: int) -> Cassette:
    """Resolve every conflict in favour of a side: 0 ours, 1 theirs."""
    kept, at = [], -1
    for line in data.splitlines(keepends=True):
        if line.startswith((b"<" * 9, b"=" * 9, b">" * 9)):
            at = {b"<": 0, b"=": 1, b">": -1}[line[:1]]
        elif at in (-1, side):
            kept.append(line)
    resolved = b"".join(kept).replace(b"\ninteractions:\n...", b"\ninteractions: {}\n...")
    return _cassette.load(resolved, PATH, STORE)


# -- the text ----------------------------------------------------------------------------------------


def test_conflict_shows_only_what_differs() -> None:
    """Lines that both sides begin and end with stand outside the markers; the rest of the file is merged."""
    base = cassette(said("a"), said("b"))
    ours = cassette(said("a", "no"), said("b"), said("c"))
    theirs = cassette(said("a", "never"), said("b", "new"))
    data, why = merged(text(base), text(ours), text(theirs), PATH)
    assert data.decode().count("<<<<<<<") == 1
    assert (
        '<<<<<<< ours\n          answer: "no"\n=======\n          answer: never\n>>>>>>> theirs\n'
        in data.decode()
    )
    assert "answer: new" in data.decode()
    assert why == [
        f"POST https://api.test/chat  {said('a').fingerprint[:9]}…: both sides have another answer to the same request"
    ]


def test_conflict_of_headers_shows_both_files() -> None:
    """Where the headers clash nothing is merged."""
    ours, theirs = cassette(said("a"), ignore=("$.x",)), cassette(said("a"), said("b"))
    data, _ = merged(text(cassette(said("a"))), text(ours), text(theirs), PATH)
    assert data.decode().partition("key: jcs-blake3/1\n")[2].startswith("<<<<<<< ours\nignore:\n")
    assert data.endswith(b"...\n")
    renamed, _ = merged(
        b"", text(cassette(said("a"), test="one")), text(cassette(said("a"), test="two")), PATH
    )
    assert b"<<<<<<< ours\ntest: one\n=======\ntest: two\n>>>>>>> theirs\nkey:" in renamed


def test_header_of_the_side_that_renamed_the_test() -> None:
    """The node id in the merged text is the new one, also around a conflict."""
    base = cassette(said("a"), test="old")
    ours = cassette(said("a", "no"), test="old")
    for theirs in (cassette(said("a"), test="new"), cassette(said("a", "never"), test="new")):
        data, _ = merged(text(base), text(ours), text(theirs), PATH)
        assert b"\ntest: new\n" in data


def test_blobs_need_not_be_there() -> None:
    """While git merges, the blobs of the other branch are not in the work tree."""
    request = Request("GET", "https://api.test/image")
    key = fingerprint_request(request)
    image = Interaction(key, request, [Response(200, "OK", (), b"\x89PNG\r\n\x1a\n" + bytes(5000))])
    encoded = said("a" * 3)
    theirs = cassette(said("a"), image, encoded)
    data, _ = merged(text(cassette(said("a"))), text(cassette(said("a"), said("b"))), text(theirs), PATH)
    assert data.count(b"blob: ") == 1
    assert _cassette.load(data, PATH, STORE).interactions[key] == image


def test_windows_line_ends_are_no_difference() -> None:
    """A file that git has checked out with CRLF is merged like any other."""
    ours = text(cassette(said("a"), said("b"))).replace(b"\n", b"\r\n")
    data, _ = merged(text(cassette(said("a"))), ours, text(cassette(said("a"), said("c"))), PATH)
    assert prompts(_cassette.load(data, PATH, STORE)) == ["a", "b", "c"]
    assert b"\r" not in data


@pytest.mark.parametrize("side", [0, 1, 2])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-4],
        lambda data: b"\0" + data,
        lambda data: data.replace(b"interactions:\n", b"interactions:\n# by hand\n"),
        lambda data: data.replace(b"method: POST", b"methud: POST"),
        lambda _: b"interactions:\n- request: {}\nversion: 1\n",
    ],
    ids=["cut off", "binary", "by hand", "unknown field", "vcrpy"],
)
def test_what_we_did_not_write_is_refused(side: int, damage: Callable[[bytes], bytes]) -> None:
    """A damaged, edited or foreign version on any side is no matter of ours."""
    versions = [text(cassette(said("a")))] * 3
    versions[side] = damage(versions[side])
    base, ours, theirs = versions
    with pytest.raises(CassetteError):
        merged(base, ours, theirs, PATH)
