"""What we rely on in vcrpy beyond its documentation; each test fails when a new vcrpy changes that."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
import vcr
from vcr.cassette import Cassette
from vcr.matchers import get_matchers_results
from vcr.persisters.filesystem import CassetteDecodeError, CassetteNotFoundError, FilesystemPersister
from vcr.request import Request

if TYPE_CHECKING:
    from pathlib import Path


def test_its_version_is_one_we_know() -> None:
    """The bound in pyproject.toml says <10: 10 may move what is held here."""
    assert vcr.__version__.split(".")[0] == "9", (
        f"vcrpy {vcr.__version__}: run and read this file, then widen it"
    )


def test_a_request_has_the_attributes_we_read() -> None:
    """Method, URI, headers without case, and the whole body in bytes whatever it was passed as."""
    request = Request("POST", "http://h.test/", iter([b"a", b"b"]), {"X-A": "1"})
    assert (request.method, request.uri, request.headers["x-a"]) == ("POST", "http://h.test/", "1")
    assert request.body_bytes == b"ab", "vcr.request.Request.body_bytes no longer joins the parts"
    assert Request("POST", "http://h.test/", "ü", {}).body_bytes == "ü".encode()
    assert Request("GET", "http://h.test/", None, {}).body_bytes is None


def test_a_request_is_built_from_what_we_write() -> None:
    """``_from_dict`` takes method, uri, body and headers with a list of values for each name."""
    fields = {"method": "GET", "uri": "http://h.test/", "body": b"x", "headers": {"A": ["1"]}}
    request = Request._from_dict(fields)
    assert request._to_dict() == fields | {"headers": {"A": ["1"]}}, (
        "vcr.request.Request._to_dict changed its shape"
    )


def test_a_persister_is_called_as_ours_expects() -> None:
    """``load_cassette(path, serializer)`` and ``save_cassette(path, dict, serializer)``."""
    load = inspect.signature(FilesystemPersister.load_cassette)
    save = inspect.signature(FilesystemPersister.save_cassette)
    assert list(load.parameters) == ["cassette_path", "serializer"]
    assert list(save.parameters) == ["cassette_path", "cassette_dict", "serializer"]


@pytest.mark.parametrize("error", [CassetteNotFoundError, CassetteDecodeError])
def test_vcrpy_swallows_only_its_own_load_errors(error: type[Exception], tmp_path: Path) -> None:
    """Its own two mean an empty cassette; any other error of a persister stops before anything is overwritten."""

    class Failing:
        error: type[Exception] = RuntimeError

        @classmethod
        def load_cassette(cls, path: str, serializer: Any) -> Any:
            raise cls.error(path)

    arguments = {"path": str(tmp_path / "c.yaml"), "persister": Failing}
    with pytest.raises(RuntimeError):
        Cassette.load(**arguments)
    Failing.error = error
    assert len(Cassette.load(**arguments)) == 0


def test_a_matcher_may_raise_an_assertion_error() -> None:
    """Its text is shown beside the matcher's name, which is the function's own name."""

    def ours(_: object, __: object) -> None:
        raise AssertionError("the reason")

    assert get_matchers_results(1, 2, [ours]) == ([], [("ours", "the reason")])


def test_what_is_registered_is_found() -> None:
    """``register_matcher``, ``register_serializer`` and ``register_persister`` keep what they are given."""
    mine, thing = vcr.VCR(), object()
    mine.register_matcher("x", thing)
    mine.register_serializer("y", thing)
    mine.register_persister(thing)
    assert mine._get_matchers(["x"]) == [thing]
    assert mine._get_serializer("y") is thing
    assert mine.persister is thing
    assert mine.cassette_library_dir is None


def test_a_recorded_response_has_the_shape_we_read(tmp_path: Path) -> None:
    """Status code and message, headers with lists of values, body under ``string``."""
    kept: dict[str, Any] = {}

    class Keeping(FilesystemPersister):  # type: ignore[misc]  # vcrpy has no types
        @staticmethod
        def save_cassette(cassette_path: str, cassette_dict: dict[str, Any], serializer: Any) -> None:
            kept.update(cassette_dict)

    response = {"status": {"code": 200, "message": "OK"}, "headers": {"A": ["1"]}, "body": {"string": b"x"}}
    with Cassette.use(path=str(tmp_path / "c.yaml"), persister=Keeping) as cassette:
        cassette.append(Request("GET", "http://h.test/", None, {}), response)
    assert kept["responses"] == [response]
    assert [request.uri for request in kept["requests"]] == ["http://h.test/"]
