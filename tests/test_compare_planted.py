"""Drift that is planted is caught, and noise that is planted passes, in the answers of every API."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx import compare
from pytest_f3dx._content import decoded
from pytest_f3dx._diff._volatile import TABLE, parse
from pytest_f3dx._foreign import load
from pytest_f3dx._llm._answer import assemble
from pytest_f3dx._model import header
from pytest_f3dx.errors import F3dxError
from tests.test_answer import CORPUS, PAIRS, as_json

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str | int, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the scalars of a JSON value."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def changed(value: Any, path: Path, leaf: Any) -> Any:
    """Return a copy of a value with another leaf."""
    whole = copy.deepcopy(value)
    place = whole
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = leaf
    return whole


def other(leaf: Any) -> Any:
    """Return another value of the same type; of a text, one that no rule takes for an id."""
    if isinstance(leaf, bool):
        return not leaf
    if isinstance(leaf, (int, float)):
        return leaf + 1
    return f"{leaf} changed" if isinstance(leaf, str) else "something"


def is_at(path: Path, places: tuple[str, ...]) -> bool:
    """Whether a path is at or below one of the table."""
    general = tuple(part if isinstance(part, str) else None for part in path)
    return any(general[: len(parse(place))] == parse(place) for place in places)


def tally(provider: str, value: Any) -> dict[str, tuple[int, int]]:
    """Change each leaf in turn; returns what was caught or passed of what was planted, by kind."""
    row = TABLE[provider]
    found = {"said": [0, 0], "volatile": [0, 0], "counts": [0, 0]}
    for path, leaf in leaves(value):
        drift = compare(as_json(value), as_json(changed(value, path, other(leaf))))
        if is_at(path, row.volatile):
            kind, right = "volatile", drift.ok and not drift.changes
        elif is_at(path, row.counts):
            kind, right = "counts", drift.ok
        elif is_at(path, row.said):
            kind, right = "said", not drift.ok
        else:
            continue
        found[kind][0] += bool(right)
        found[kind][1] += 1
    return {kind: (right, planted) for kind, (right, planted) in found.items()}


@pytest.mark.parametrize("name", PAIRS)
def test_planted_in_every_api(name: str) -> None:
    """Each changed leaf of what the model said is drift; each of what is volatile or counted is not."""
    value, _, wanted = PAIRS[name]
    found = tally(wanted.provider, value)
    assert all(right == planted for right, planted in found.values()), found
    assert found["said"][1] > 0


@pytest.mark.skipif(CORPUS is None, reason="the corpus of public cassettes is not beside this checkout")
def test_planted_in_real_answers() -> None:
    """The same holds for every answer in the corpus of public cassettes, and each is equal to itself spelt anew."""
    assert CORPUS
    total = {"said": [0, 0], "volatile": [0, 0], "counts": [0, 0]}
    answers = 0
    for file in sorted(CORPUS.rglob("*.yaml")):
        try:
            exchanges = load(file.read_bytes(), file)
        except F3dxError:
            continue
        for request, response in exchanges:
            headers, body = decoded(response.headers, response.body)
            answer = assemble(body, header(headers, "content-type") or "", request.uri)
            if answer is None or answer.provider == "embeddings":
                continue
            answers += 1
            assert compare(body, json.dumps(answer.value, indent=1)).ok
            for kind, (right, planted) in tally(answer.provider, answer.value).items():
                total[kind][0] += right
                total[kind][1] += planted
    print(answers, "answers", total)
    assert answers > 25
    assert all(right == planted for right, planted in total.values()), total
