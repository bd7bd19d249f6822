"""Bundles of traces are read row by row; what is damaged is told with file, line and column."""

from __future__ import annotations

import base64
import gc
import gzip
import importlib.util
import json
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx import iter_jsonl, iter_parquet, read_jsonl, read_parquet
from pytest_f3dx._traces import _jsonl
from pytest_f3dx._traces._fields import FIELDS, NAMED
from pytest_f3dx.errors import TraceError, TraceWarning

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parent / "data"
TRACES = DATA / "traces"
CASES = json.loads((DATA / "vectors" / "f3dx_read_jsonl.json").read_text(encoding="utf-8"))["cases"]
# Where f3dx 0.0.19 gives other rows or none; docs/traces.md says why. The value is a part of each row of ours.
OTHERWISE: dict[str, dict[str, Any]] = {
    "bom.jsonl": {"trace_id": "t1"},
    "float_tokens.jsonl": {"input_tokens": 1.0},
    "neg_tokens.jsonl": {"input_tokens": -1},
    "output_object.jsonl": {"output": {"a": 1}},
    "wrongtype_str.jsonl": {"model": 1},
    "extra2.jsonl": {"zzz": {"a": [1, 2.5, None, 18446744073709551615, 9007199254740993]}},
}
# What we refuse as f3dx does: where, and what is said.
REFUSED = {
    "array_row.jsonl": (1, 1, "a row is a JSON object, not an array"),
    "bad_line3.jsonl": (3, 13, "the line is no JSON: Expecting value"),
    "badutf8.jsonl": (1, 11, "the line is not UTF-8"),
    "dup.jsonl": (1, 14, "the field 'model' stands twice"),
    "extra.jsonl": (1, 58, "the number 1e400 is beyond the range of doubles"),
    "nul.jsonl": (1, 14, "something follows the row"),
    "null_row.jsonl": (1, 1, "a row is a JSON object, not null"),
    "scalar_row.jsonl": (1, 1, "a row is a JSON object, not a number"),
    "truncated_last.jsonl": (2, 26, "has no end: the file was cut off, or is still being written"),
    "utf16.jsonl": (1, 1, "the file is UTF-16; a bundle is UTF-8"),
}


def write(path: Path, *lines: str) -> Path:
    """Write lines, each with its end."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def whats_wrong(path: Path) -> TraceError:
    """Read a bundle that cannot be read."""
    with pytest.raises(TraceError) as caught:
        read_jsonl(path)
    assert caught.value.path == path
    return caught.value


# -- rows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_rows_are_those_of_f3dx_but_where_it_is_wrong(tmp_path: Path, case: dict[str, Any]) -> None:
    """For each file of which f3dx's answer was measured, ours is the same, or differs as is documented."""
    name = case["name"]
    path = tmp_path / name
    path.write_bytes(base64.b64decode(case["b64"]))
    if name in REFUSED:
        assert "error" in case
        error = whats_wrong(path)
        line, column, what = REFUSED[name]
        assert (error.line, error.column) == (line, column)
        assert what in error.what
        assert f"{path}:{line}:{column}" in str(error)
    elif name == "deep.jsonl":
        assert str(read_jsonl(path)[0]["x"]).count("[") == 200
    elif name in OTHERWISE:
        assert read_jsonl(path) == [{**row, **OTHERWISE[name]} for row in read_rows(path)]
    else:
        assert read_jsonl(path) == case["rows"]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a good bundle by the parser of the standard library, every field filled up."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [{**NAMED, **json.loads(line)} for line in lines if line.strip()]


@pytest.mark.parametrize("name", ["captured", "pii_off"])
def test_real_bundles_read_alike_in_both_formats(name: str) -> None:
    """What f3dx wrote and what it converted to Parquet give the same rows, with the fields it never writes."""
    rows = read_jsonl(TRACES / f"{name}.jsonl")
    assert rows == read_parquet(TRACES / f"{name}.parquet") == read_rows(TRACES / f"{name}.jsonl")
    assert len(rows) == 6
    assert {row["model"] for row in rows} == {row["trace_id"] for row in rows} == {None}
    assert rows[2]["prompt"] == ("Řekni něco česky 😀" if name == "captured" else None)
    assert all(set(FIELDS) <= set(row) for row in rows)


def test_line_ends_are_those_of_json_lines(tmp_path: Path) -> None:
    """U+2028 and a vertical tab end no line, a CR belongs to the end, and spaces around a row do not count."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(' \t{"x": "a\u2028b"} \r\n\r\n{"x": 2}'.encode())
    assert [row["x"] for row in read_jsonl(path)] == ["a\u2028b", 2]
    path.write_bytes(b'\x0b{"x": 1}\n')
    assert whats_wrong(path).column == 1


def test_repeated_key_counts_only_where_f3dx_names_it(tmp_path: Path) -> None:
    """A named field stands once in a row; the same word may be deeper, in a text, or a value."""
    inner = {
        "model": "b",
        "s": '"model": "model": ',
        "l": ["model", {"model": 1}],
        "o": {"prompt": 1, "output": 2},
    }
    text = json.dumps({**inner, "prompt": '{"model":1,"model":2}', "output": "model"})
    assert read_jsonl(write(tmp_path / "a.jsonl", text))[0]["model"] == "b"
    error = whats_wrong(write(tmp_path / "b.jsonl", "{}", text[:-1] + ', "model" : 2}'))
    assert (error.line, error.column) == (2, len(text) + 2)


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ('{"s": "NaN", "x": [NaN]}', 20, "the line is no JSON: NaN"),
        ('{"x": -Infinity}', 7, "the line is no JSON: -Infinity"),
        ('{"s": "1e999", "x": -1e999}', 21, "the number -1e999 is beyond"),
        ('{"x": ' + "9" * 5000 + "}", 7, "a number has too many digits"),
        ('{"x": ' + '{"a":[' * 150 + "]}" * 150 + "}", None, "nested deeper than 254 levels"),
        ('{"x": ' + "[" * 100_000 + "]" * 100_000 + "}", None, "nested deeper than 254 levels"),
        ('{"x": 1} {"x": 2}', 10, "something follows the row"),
        ("[", 2, "the line is no JSON: Expecting value"),
        ('"text"', 1, "a row is a JSON object, not a string"),
        ("true", 1, "a row is a JSON object, not a boolean"),
        ("<html>", 1, "the line is no JSON: Expecting value"),
    ],
    ids=["nan", "infinity", "range", "digits", "deep", "abyss", "two", "open", "string", "boolean", "html"],
)
def test_what_is_no_row_is_told(tmp_path: Path, text: str, column: int | None, what: str) -> None:
    """Each kind of damage is an error with its place, never a traceback of the parser."""
    error = whats_wrong(write(tmp_path / "a.jsonl", "{}", text))
    assert (error.line, error.column) == (2, column)
    assert error.what.startswith(what)
    assert error.__cause__ is None


LITERALS = [
    "0", "-0", "1.0", "1e5", "-1E-7", "0.1", "123456789012345678", "18446744073709551615", "18446744073709551616",
    "-9223372036854775808", "-9223372036854775809", "1234567890123456789012", "0.1234567890123456789", "1e-400",
    "9007199254740993.0", "5e-324", '"12345678901234567890"', "[[]]", '{"model":1}', "null", "true", '"\\u00e9"', '"\\ud83d\\ude00"',
]  # fmt: skip


@pytest.mark.parametrize(
    "separators", [(",", ":"), (", ", ": "), (" , ", "\t: ")], ids=["compact", "python", "wide"]
)
@pytest.mark.parametrize("literal", LITERALS)
def test_fast_parser_loses_nothing(tmp_path: Path, literal: str, separators: tuple[str, str]) -> None:
    """Every value is what the standard library reads, type and digits, however the row is spelt."""
    comma, colon = separators
    text = f'{{"a"{colon}{literal}{comma}"prompt"{colon}[1{comma}{literal}]{comma}"é"{colon}"ü"}}'
    (row,) = read_jsonl(write(tmp_path / "a.jsonl", text))
    assert repr(row) == repr({**NAMED, **json.loads(text)})


@pytest.mark.parametrize("space", ["", " "])
def test_repeated_unknown_field_counts_last(tmp_path: Path, space: str) -> None:
    """As in f3dx and every parser; a named one is refused whatever the spelling."""
    bundle = tmp_path / "a.jsonl"
    assert read_jsonl(write(bundle, f'{{"x":{space}1,"x":{space}2}}'))[0]["x"] == 2
    assert whats_wrong(write(bundle, f'{{"prompt":{space}1,"prompt":{space}2}}')).column == 13 + len(space)


def test_many_brackets_are_not_deep(tmp_path: Path) -> None:
    """A wide row is read, and one with brackets in its texts; lone surrogates are kept."""
    row = {"x": [[{}]] * 200, "s": "[" * 999, "t": "\ud800"}
    assert read_jsonl(write(tmp_path / "a.jsonl", json.dumps(row))) == [{**NAMED, **row}]


# -- going on ------------------------------------------------------------------------------------------


def test_skipping_says_how_many_and_which(tmp_path: Path) -> None:
    """With `skip` the good rows come, and a warning at the end names the lines that were left out."""
    path = write(tmp_path / "a.jsonl", '{"x":1}', "{", "", "[]", '{"x":2}')
    with path.open("ab") as file:
        file.write(b'{"x": 3')  # a writer is at it
    with pytest.warns(TraceWarning, match=r"f3dx: 3 lines of .*a\.jsonl left out: 2, 4, 6$") as told:
        rows = read_jsonl(path, on_error="skip")
    assert [row["x"] for row in rows] == [1, 2]
    assert len(told) == 1


def test_skipping_names_few_lines_of_many(tmp_path: Path) -> None:
    """The warning is one line however many are bad; without any there is none."""
    path = write(tmp_path / "a.jsonl", *["{"] * 12)
    with pytest.warns(TraceWarning, match=r"12 lines of .* left out: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …$"):
        assert read_jsonl(path, on_error="skip") == []
    with pytest.warns(TraceWarning, match="1 line of .* left out: 1$"):
        read_jsonl(write(path, "["), on_error="skip")
    assert len(read_jsonl(write(path, "{}"), on_error="skip")) == 1


def test_function_is_told_each_fault(tmp_path: Path) -> None:
    """A function in place of `skip` gets every error, and the reading goes on without a warning."""
    told: list[TraceError] = []
    path = write(tmp_path / "a.jsonl", "{", '{"x":1}', "1")
    assert [row["x"] for row in iter_jsonl(path, on_error=told.append)] == [1]
    assert [(error.line, error.column) for error in told] == [(1, 2), (3, 1)]


def test_rows_before_the_damage_are_there(tmp_path: Path) -> None:
    """A stream gives what stands before a bad line."""
    rows = iter_jsonl(write(tmp_path / "a.jsonl", '{"x":1}', "{"))
    assert next(rows)["x"] == 1
    with pytest.raises(TraceError):
        next(rows)


# -- files ---------------------------------------------------------------------------------------------


def zst(data: bytes) -> bytes:
    """Compress into two frames."""
    import zstandard

    half = len(data) // 2
    compress = zstandard.ZstdCompressor().compress
    return compress(data[:half]) + compress(data[half:])


PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:]),
    ".zst": zst,
}


@pytest.mark.parametrize("suffix", PACK)
def test_compressed_bundle_reads_as_its_content(tmp_path: Path, suffix: str) -> None:
    """The suffix says how it is compressed; several members or frames are one file."""
    plain = TRACES / "captured.jsonl"
    path = tmp_path / f"a.jsonl{suffix.upper()}"
    path.write_bytes(PACK[suffix](plain.read_bytes()))
    assert read_jsonl(path) == read_jsonl(plain)
    path.write_bytes(b"")
    assert read_jsonl(path) == []


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("damage", ["cut", "foreign", "flipped"])
def test_damaged_compression_is_an_error(tmp_path: Path, suffix: str, damage: str) -> None:
    """A cut off or damaged compressed file never passes for a shorter one; with `skip` it ends there, told."""
    lines = "".join(f'{{"x": {n}, "t": "{n * 7919 % 10007:x}"}}\n' for n in range(20_000))
    data = PACK[suffix](lines.encode())
    middle = len(data) // 2
    bad = {
        "cut": data[:-9],
        "foreign": b"{}" + data,
        "flipped": data[:middle] + bytes(99) + data[middle + 99 :],
    }
    path = tmp_path / f"a{suffix}"
    path.write_bytes(bad[damage])
    error = whats_wrong(path)
    assert error.line is not None
    told: list[TraceError] = []
    rows = list(iter_jsonl(path, on_error=told.append))
    assert [row["x"] for row in rows[:1000]] == list(range(min(len(rows), 1000)))
    assert told[-1].what.startswith("the file is damaged or cut off")


@pytest.mark.parametrize(
    ("module", "name", "extra"), [("zstandard", "a.zst", "zstd"), ("pyarrow", "a.parquet", "parquet")]
)
def test_missing_package_is_told_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str, extra: str
) -> None:
    """Without the package the error ends in the line that installs it."""
    monkeypatch.setitem(sys.modules, module, None)
    path = write(tmp_path / name)
    with pytest.raises(TraceError, match=rf"\n  fix +pip install 'pytest-f3dx\[{extra}\]'"):
        read_parquet(path) if extra == "parquet" else read_jsonl(path)


def test_line_without_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without line ends does not fill the memory: a line has a limit."""
    monkeypatch.setattr(_jsonl, "LINE_BYTES", 100)
    path = write(tmp_path / "a.jsonl", "{}", json.dumps({"x": "y" * 99}), "{}")
    assert whats_wrong(path).line == 2
    told: list[TraceError] = []
    assert len(list(iter_jsonl(path, on_error=told.append))) == 1
    assert [error.line for error in told] == [2]


def test_missing_file_and_directory_are_errors_of_the_system(tmp_path: Path) -> None:
    """They are what `open` raises, under the name that was given; a path may be a text."""
    with pytest.raises(FileNotFoundError, match="gone"):
        read_jsonl(str(tmp_path / "gone.jsonl"))
    with pytest.raises(IsADirectoryError):
        read_jsonl(tmp_path)
    with pytest.raises(FileNotFoundError, match="gone"):
        read_parquet(str(tmp_path / "gone.parquet"))


def test_streaming_needs_constant_memory_and_closes_its_file(tmp_path: Path) -> None:
    """No row is held after the next, and a reader that is dropped leaves no file open (-W error)."""
    path = write(tmp_path / "a.jsonl", *[json.dumps({"prompt": "p" * 200})] * 5000)
    of_reader = (tracemalloc.Filter(inclusive=True, filename_pattern=_jsonl.__file__),)

    def held() -> int:
        # What the reader itself has allocated: other threads of this process allocate as they like.
        return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(of_reader).traces)

    rows = iter_jsonl(path)
    tracemalloc.start()
    try:
        for at in range(4999):
            next(rows)
            assert at % 1000 or held() < 20_000
    finally:
        tracemalloc.stop()
    del rows
    gc.collect()


def test_collector_is_as_it_was(tmp_path: Path) -> None:
    """Reading all pauses the garbage collector, and leaves it as it was, off included."""
    path = write(tmp_path / "a.jsonl", "{")
    assert gc.isenabled()
    whats_wrong(path)
    assert gc.isenabled()
    gc.disable()
    try:
        whats_wrong(path)
        assert not gc.isenabled()
    finally:
        gc.enable()


# -- parquet -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not importlib.util.find_spec("pyarrow"), reason="pyarrow is not installed")
def test_parquet_keeps_unknown_columns_and_odd_tool_calls(tmp_path: Path) -> None:
    """Columns of others stay; `tool_calls_json` is parsed only where that gives `tool_calls` back."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"zzz": [1], "tool_calls_json": "[]"}, {"zzz": None, "tool_calls_json": "{"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert read_parquet(tmp_path / "a.parquet") == [
        {**NAMED, "zzz": [1], "tool_calls": []},
        {**NAMED, "zzz": None, "tool_calls_json": "{"},
    ]
    both = [{"tool_calls": "a", "tool_calls_json": "[]"}]
    pq.write_table(pa.Table.from_pylist(both), tmp_path / "b.parquet")
    assert next(iter_parquet(tmp_path / "b.parquet")) == {**NAMED, **both[0]}


@pytest.mark.parametrize("data", [b"", b"PAR1 no", b'{"x": 1}\n'])
def test_what_is_no_parquet_is_told(tmp_path: Path, data: bytes) -> None:
    """A damaged or foreign file is an error with its path."""
    path = tmp_path / "a.parquet"
    path.write_bytes(data)
    with pytest.raises(TraceError, match="the file is no Parquet, or damaged") as caught:
        read_parquet(path)
    assert caught.value.path == path


def test_damaged_page_of_parquet_is_told(tmp_path: Path) -> None:
    """Damage within the file is an error as well."""
    data = bytearray((TRACES / "captured.parquet").read_bytes())
    data[4:1000] = bytes(996)
    path = tmp_path / "a.parquet"
    path.write_bytes(data)
    with pytest.raises(TraceError, match="the file is no Parquet, or damaged"):
        read_parquet(path)
