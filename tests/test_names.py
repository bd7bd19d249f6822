"""Where cassettes stand."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_f3dx import _names
from pytest_f3dx._names import cassette_path, check_name, shared_path
from pytest_f3dx.errors import SettingsError


@pytest.mark.parametrize(
    ("node_id", "path"),
    [
        ("tests/test_chat.py::test_greets", "tests/test_chat/test_greets.yaml"),
        ("test_a.py::TestA::TestInner::test_x", "test_a/TestA.TestInner.test_x.yaml"),
        ("test_a.py::TestB::TestInner::test_x", "test_a/TestB.TestInner.test_x.yaml"),
        ("test_a.py::test_x[gpt-4o-0.5]", "test_a/test_x[gpt-4o-0.5].yaml"),
    ],
)
def test_plain_name_is_readable(node_id: str, path: str) -> None:
    """A name that every file system takes stays as it is, without a hash."""
    assert cassette_path(node_id) == path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("t.py::test[a/b]", "t.py::test[a-b]"),
        ("t.py::test[a:b]", "t.py::test[a/b]"),
        ("t.py::test[A]", "t.py::test[a]"),
        ("t.py::test_A", "t.py::test_a"),
        ("t.py::test[" + "x" * 200 + "1]", "t.py::test[" + "x" * 200 + "2]"),
        ("t.py::con", "t.py::xcon"),
        ("t.py::test[a::b]", "t.py::test[a.b]"),
        ("t.py::test[e\u0301]", "t.py::test[\xe9]"),
    ],
)
def test_names_that_would_collide_do_not(one: str, other: str) -> None:
    """Two tests never share a file, not even where the file system folds case."""
    assert cassette_path(one).lower() != cassette_path(other).lower()


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.text(min_size=1, max_size=200))
@example("../../etc/passwd")
@example("..")
@example("_blobs")
@example("a\x00b")
def test_any_node_id_stays_inside(text: str) -> None:
    """Whatever a parametrised id holds, the path has no part that leaves or hides."""
    for node_id in (f"tests/test_x.py::test[{text}]", f"{text}/test_x.py::test"):
        path = PurePosixPath(cassette_path(node_id))
        assert not path.is_absolute()
        assert all(0 < len(part.encode()) <= 120 and part[0] != "." for part in path.parts)
        assert path.suffix == ".yaml"
        assert not set(str(path)) & set('\\:*?"<>|\0')


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    st.one_of(
        st.from_regex(_names._PLAIN, fullmatch=True),
        st.from_regex(
            r"([A-Za-z_.]{1,9}|con|COM1|_blobs)(\.[A-Za-z_0-9]{0,5})?(\[[\w .,=+@~\[\]-]*\])?", fullmatch=True
        ),
        st.text("aA1_.[]-", min_size=1, max_size=130),
    )
)
@example("con")
@example("Con.test")
@example("con[a]")
@example("test[A]")
@example("test_x" + "y" * 109)
@example("test_x" + "y" * 110)
def test_the_short_way_to_a_name_ends_where_the_long_one_does(name: str) -> None:
    """A name that one look finds plain is what looking at it step by step makes of it."""
    short = cassette_path(f"tests/test_x.py::{name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_names, "_PLAIN", re.compile(r"(?!)"))
        assert cassette_path(f"tests/test_x.py::{name}") == short


def test_shared_name_is_a_path_in_the_directory() -> None:
    """A shared cassette stands where its name says."""
    assert shared_path(check_name("x", "shared/login")) == "shared/login.yaml"


@pytest.mark.parametrize(
    "name", ["", "/abs", "a//b", "../up", "a/.hidden", "_blobs/x", "a b", "nul", "a\\b", "x" * 200]
)
def test_shared_name_that_leaves_or_clashes_is_refused(name: str) -> None:
    """A name that leaves the directory, hides or is reserved is a settings error."""
    with pytest.raises(SettingsError, match="name of the marker"):
        check_name("name of the marker", name)
