"""What a passing test makes of its cassette."""

from __future__ import annotations

from pytest_f3dx._journal import Exchange
from pytest_f3dx._merge import grouped, merge, superseded, without_retried
from pytest_f3dx._model import Cassette, Failure, Interaction, Request, Response

GOOD = Response(200, body=b"good")
LATER = Response(200, body=b"later")
LIMIT = Response(429)
BROKEN = Response(503)
LOST = Response(0, failure=Failure("httpx.ReadTimeout", ""))


def interaction(name: str, *responses: Response, path: str = "/chat") -> Interaction:
    """Make an interaction whose fingerprint is its name."""
    return Interaction(
        name, Request("POST", f"https://api.test{path}", body=name.encode()), list(responses or [GOOD])
    )


def cassette(*interactions: Interaction) -> Cassette:
    """Make a cassette of interactions."""
    return Cassette("t.py::t", {one.fingerprint: one for one in interactions})


def exchange(seq: int, name: str, response: Response = GOOD) -> Exchange:
    """Make an exchange."""
    return Exchange(seq, name, interaction(name).request, response)


def test_exchanges_are_grouped_in_the_order_of_asking() -> None:
    """The order in which the test asked decides, not the order in which answers came."""
    found = grouped([exchange(3, "a", LATER), exchange(2, "b"), exchange(1, "a")])
    assert list(found) == ["a", "b"]
    assert found["a"].responses == [GOOD, LATER]


def test_answers_made_good_by_a_retry_are_left_out() -> None:
    """A 429, a 5xx and a transport error go when a later answer to the same request came."""
    assert without_retried([LIMIT, LOST, BROKEN, GOOD]) == [GOOD]
    assert without_retried([GOOD, BROKEN, LATER, LIMIT]) == [GOOD, LATER, LIMIT]
    assert without_retried([LIMIT, BROKEN]) == [LIMIT, BROKEN]


def test_merge_keeps_order_and_leaves_its_arguments() -> None:
    """Old interactions keep their places, new ones follow, and nothing given is changed."""
    base, new = (
        cassette(interaction("a"), interaction("b")),
        grouped([exchange(1, "c"), exchange(2, "b", LATER)]),
    )
    merged = merge(base, new)
    assert list(merged.interactions) == ["a", "b", "c"]
    assert list(base.interactions) == ["a", "b"]
    assert base.interactions["b"].responses == [GOOD]


def test_same_request_of_another_worker_is_not_doubled() -> None:
    """What another process recorded meanwhile counts; only what it lacks is added."""
    base = cassette(interaction("a", GOOD))
    assert merge(base, grouped([exchange(1, "a", LATER)])).interactions["a"].responses == [GOOD]
    two = grouped([exchange(1, "a"), exchange(2, "a", LATER)])
    assert merge(base, two).interactions["a"].responses == [GOOD, LATER]


def test_new_answers_to_a_replayed_request_come_after_the_old() -> None:
    """Under strict repeats a request asked once more adds its answer behind those in the file."""
    merged = merge(cassette(interaction("a", GOOD)), grouped([exchange(1, "a", LATER)]), replayed={"a"})
    assert merged.interactions["a"].responses == [GOOD, LATER]


def test_changed_request_takes_the_place_of_the_old() -> None:
    """An interaction no longer asked for leaves when another of its method and path was recorded."""
    base = cassette(interaction("old"), interaction("kept"), interaction("other", path="/files"))
    new = grouped([exchange(1, "new")])
    drop = superseded(base, list(new.values()), {"kept"})
    assert drop == ["old"]
    assert list(merge(base, new, drop=drop).interactions) == ["new", "kept", "other"]


def test_superseded_without_a_successor_is_only_dropped() -> None:
    """Two old requests replaced by one leave one behind."""
    base = cassette(interaction("a"), interaction("b"))
    new = grouped([exchange(1, "c")])
    assert list(merge(base, new, drop=superseded(base, list(new.values()), ())).interactions) == ["c"]


def test_recorded_before_and_asked_again_by_another_worker() -> None:
    """Interactions of the file that the test did not ask for stay where nothing takes their place."""
    base = cassette(interaction("a"), interaction("b", path="/files"))
    assert list(merge(base, {}).interactions) == ["a", "b"]
    assert superseded(base, [], ()) == []
