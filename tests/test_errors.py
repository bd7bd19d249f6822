"""The one shape of all messages, and the page that explains them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_f3dx import errors
from pytest_f3dx.errors import CassetteError, CassetteMiss, F3dxError, MissError, Refusal, printable, render

DOCS = Path(__file__).parent.parent / "docs" / "errors.md"


def classes(base: type[F3dxError] = F3dxError) -> list[type[F3dxError]]:
    """List a class and all below it."""
    return [base, *(found for child in base.__subclasses__() for found in classes(child))]


def test_every_slug_has_its_section() -> None:
    """docs/errors.md has a section for each slug and no other."""
    sections = re.findall(r"^## (.+)$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(sections) == sorted({one.slug for one in classes()})


def test_tree_is_drawn() -> None:
    """The tree at the head of the module names each public class with its slug."""
    drawn = errors.__doc__ or ""
    for one in classes():
        if one not in (F3dxError, MissError):
            assert re.search(rf"{one.__name__}\s+{one.slug}\b", drawn), one


def test_message_has_one_shape() -> None:
    """A message is a line, a fact a line, and later lines of a fact stand below its first."""
    assert render("what", "slug", [("test", "a"), ("nearest", "one\ntwo")]) == (
        "f3dx: what [slug]\n  test      a\n  nearest   one\n            two"
    )


def test_facts_are_attributes() -> None:
    """The facts are there for programs, the text for people, and the file has its line."""
    error = CassetteError(Path("a.yaml"), "cut off", ("fix", "restore it"), line=3)
    assert (error.path, error.line, error.what) == (Path("a.yaml"), 3, "cut off")
    assert str(error) == "f3dx: cut off [cassette-damaged]\n  cassette  a.yaml:3\n  fix       restore it"
    assert "a.yaml\n" in str(CassetteError(Path("a.yaml"), "empty", ("fix", "x")))


def test_control_characters_never_reach_a_terminal() -> None:
    """Escape sequences, C1 controls and bidirectional overrides are shown, not obeyed; text is kept."""
    assert printable("a\x1b[31m\x07\r\x9b\u202e\tb\n…é😀") == "a\\x1b[31m\\x07\\r\\x9b\\u202e\tb\n…é😀"


def test_refusal_cannot_be_caught_as_an_exception() -> None:
    """A miss passes `except Exception`, and carries the text of its error."""
    error = MissError("no recording answers this request", ("fix", "x"))
    assert not issubclass(Refusal, Exception)
    assert str(CassetteMiss(error)) == str(error)
    with pytest.raises(CassetteMiss):
        try:
            raise CassetteMiss(error)
        except Exception:
            pytest.fail("caught")
