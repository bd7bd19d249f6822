"""Read YAML from a stream of events, so that no input can crash, bloat or run anything.

PyYAML's loaders build a tree of nodes first, recursively: 100 000 nested brackets (200 KB) kill the C one
with SIGSEGV. libyaml's event parser keeps a stack of its own, so depth, aliases, tags and duplicate keys are
checked here one event at a time, before anything is nested; it is also several times faster than the node
loaders. No tag constructs anything. Plain scalars are resolved as PyYAML does (YAML 1.1), except that dates
stay text and ``<<`` and ``=`` mean nothing.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from pytest_f3dx.errors import CassetteError

_Event: TypeAlias = Any  # one of `yaml.events`; the stubs know too little of them to help

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import yaml

MAX_DEPTH = 128
# What aliases may add up to, a unit for a value and for 16 characters: 2 KB of aliases of aliases stand for
# 9**40 values, which the first message that shows one would write out; a body named often is many bodies.
_ALIAS_BUDGET = 1_000_000
_MAX_NUMBER_CHARACTERS = 1000  # hexadecimal and base 60 numbers are converted however long, but not printed
_TOO_DEEP = f"nested too deeply, beyond {MAX_DEPTH} levels"
RECORD_AGAIN = "restore it from version control, or delete it and record it again with --f3dx-record=once"
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+(?:[eE][-+][0-9]+)?")
_TAG = "tag:yaml.org,2002:"
_WORDS = {"true": True, "false": False, "null": None}
_LONGEST_WORD = (
    5  # of the words that mean a boolean or nothing; numbers begin with no letter, and nothing holds a space
)
_KEPT_AS_TEXT = frozenset(_TAG + name for name in ("timestamp", "merge", "value"))
# What old vcrpy cassettes hold and what costs nothing to read: text, bytes and lists under another name.
_TEXT_TAGS = frozenset(_TAG + name for name in ("str", "python/unicode", "python/str"))
_BINARY_TAGS = frozenset(_TAG + name for name in ("binary", "python/bytes"))
_COLLECTION_TAGS = frozenset(_TAG + name for name in ("map", "seq", "python/tuple"))
_NO_KEY = object()
_OPEN = object()


class _Events(Protocol):
    """A parser of PyYAML, the C one or the pure one."""

    def get_event(self) -> _Event: ...


def load(data: bytes, path: Path, *, foreign: bool = False) -> object:
    """Read one YAML document.

    Args:
        data: The whole file.
        path: Its name, for errors.
        foreign: A file of another tool: accept aliases (a value is shared, never copied) and harmless tags.

    Returns:
        None, bool, int, float, str, list and dict; of foreign files also bytes.

    Raises:
        CassetteError: With the line: no YAML, more than one document, a tag, an alias, a duplicate or
            non-text key, or nesting beyond `MAX_DEPTH`.
    """
    import yaml  # 14 ms, which only a test that replays pays

    try:
        return _Composer(_parser(data), path, foreign=foreign).document()
    except yaml.YAMLError as error:
        raise _syntax_error(error, data, path) from error


def locate(data: bytes, keys: tuple[str | int, ...]) -> int | None:
    """Return the line of a value that `load` has read, or of the nearest parent that is there.

    Args:
        data: What `load` was given.
        keys: Keys of mappings and positions in lists, outermost first.

    Returns:
        The line of the key or item, counted from 1; None if not even the first key is there.
    """
    best, line = 0, None
    for found, at in _positions(data):
        if found == keys[: len(found)] and len(found) > best:
            best, line = len(found), at
    return line


def _parser(data: bytes) -> _Events:
    """Make the fastest event parser there is; the pure one is 15 times slower and gives the same events."""
    import yaml

    if yaml.__with_libyaml__:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]

        parser: _Events = CParser(data)
        return parser
    return _pure_parser()(data)


@cache
def _pure_parser() -> Callable[[bytes], _Events]:
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class PureParser(Reader, Scanner, Parser):
        def __init__(self, data: bytes) -> None:
            Reader.__init__(self, data)
            Scanner.__init__(self)
            Parser.__init__(self)

    return PureParser


class _Composer:
    """Builds the value of a document out of its events, with a stack of its own."""

    def __init__(self, parser: _Events, path: Path, *, foreign: bool) -> None:
        self._parser = parser
        self._path = path
        self._foreign = foreign
        self._anchors: dict[str, object] = {}
        self._left = _ALIAS_BUDGET

    def document(self) -> object:
        """Return the value of the one document; None if there is none."""
        import yaml

        self._parser.get_event()
        if isinstance(self._parser.get_event(), yaml.StreamEndEvent):
            return None
        value = self._compose()
        self._parser.get_event()
        if not isinstance(event := self._parser.get_event(), yaml.StreamEndEvent):
            raise self._error("there is a second YAML document", event, "keep one document")
        return value

    def _compose(self) -> object:
        """Run through the events; kept in one loop because every scalar of every replay passes here."""
        from yaml import events

        next_event, scalar = self._parser.get_event, self._scalar
        root: list[object] = []
        into: Any = root  # a list, or a dict with the key that waits for its value
        key: object = _NO_KEY
        stack: list[tuple[Any, object, str | None]] = []
        while True:
            event = next_event()
            kind = type(event)
            if kind is events.ScalarEvent:
                value = scalar(event)
            elif kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
                self._check_start(event, len(stack))
                stack.append((into, key, event.anchor))
                into, key = {} if kind is events.MappingStartEvent else [], _NO_KEY
                continue
            elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
                value = into
                into, key, anchor = stack.pop()
                if anchor:
                    self._anchors[anchor] = value
            else:
                value = self._alias(event)
            if type(into) is list:
                into.append(value)
                if not stack:
                    return root[0]
            elif key is _NO_KEY:
                key = self._key(value, into, event)
            else:
                into[key] = value
                key = _NO_KEY

    def _scalar(self, event: _Event) -> object:
        value: object
        if event.tag is not None and event.tag != "!":
            value = self._tagged(event)
        elif event.implicit[0]:
            try:
                value = resolve(event.value)
            except ValueError as error:
                raise self._error(
                    f"not a number: {error}", event, "put quotes around it if it is text"
                ) from error
        else:
            value = event.value
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _tagged(self, event: _Event) -> object:
        if self._foreign and event.tag in _TEXT_TAGS:
            return event.value
        if self._foreign and event.tag in _BINARY_TAGS:
            try:
                return base64.b64decode(event.value)
            except ValueError as error:
                raise self._error("!!binary is no base64", event, RECORD_AGAIN) from error
        raise self._tag_error(event)

    def _check_start(self, event: _Event, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise self._error(_TOO_DEEP, event, RECORD_AGAIN)
        if (
            event.tag is not None
            and event.tag != "!"
            and not (self._foreign and event.tag in _COLLECTION_TAGS)
        ):
            raise self._tag_error(event)
        if event.anchor:
            self._anchors[event.anchor] = _OPEN

    def _alias(self, event: _Event) -> object:
        if not self._foreign:
            raise self._error("aliases are not allowed in a cassette", event, "write the value out in full")
        value = self._anchors.get(event.anchor, _OPEN)
        if value is _OPEN:
            raise self._error(
                f"the alias *{event.anchor} has no finished anchor before it", event, RECORD_AGAIN
            )
        self._left = _spent(value, self._left)
        if self._left < 0:
            raise self._error("the aliases stand for too much", event, RECORD_AGAIN)
        return value

    def _key(self, value: object, into: dict[object, object], event: _Event) -> str:
        if not isinstance(value, str):
            raise self._error("a key must be text", event, "put quotes around it")
        if value in into:
            raise self._error(f"duplicate key {value!r}", event, "keep one of the two")
        return value

    def _tag_error(self, event: _Event) -> CassetteError:
        tag = str(event.tag).replace(_TAG, "!!")
        return self._error(f"the tag {tag} is not allowed: nothing is built from tags", event, RECORD_AGAIN)

    def _error(self, what: str, event: _Event, fix: str) -> CassetteError:
        return CassetteError(self._path, what, ("fix", fix), line=_line(event))


def _spent(value: object, budget: int) -> int:
    """Take what a value written out would cost from a budget; stops at once when that is used up."""
    waiting = [value]
    while waiting and budget >= 0:
        one = waiting.pop()
        budget -= 1
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, (str, bytes)):
            budget -= len(one) // 16
    return budget


def resolve(text: str) -> object:
    """Give a plain scalar its type, by the rules of YAML 1.1 as PyYAML has them.

    Args:
        text: As it stands in the file.
    """
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if text in _WORDS:
        return _WORDS[text]
    if " " in text or (len(text) > _LONGEST_WORD and text[0].isalpha()):
        return text  # as `200 OK` and `text/event-stream`: told without PyYAML, which takes 14 ms to load
    resolvers, construct = _yaml_1_1()
    for tag, pattern in resolvers.get(text[:1], ()):
        if pattern.match(text):
            if len(text) > _MAX_NUMBER_CHARACTERS:
                message = f"it has {len(text)} characters"
                raise ValueError(message)
            return construct(tag, text)
    return text


@cache
def _yaml_1_1() -> tuple[dict[str, list[tuple[str, re.Pattern[str]]]], Callable[[str, str], object]]:
    """Return the implicit resolvers of PyYAML by first character, and what makes a value of a match."""
    import yaml

    table = {
        first: [(tag, pattern) for tag, pattern in found if tag not in _KEPT_AS_TEXT]
        for first, found in yaml.resolver.Resolver.yaml_implicit_resolvers.items()
        if first is not None
    }
    safe = yaml.constructor.SafeConstructor()
    makers = {
        _TAG + "bool": safe.construct_yaml_bool,
        _TAG + "int": safe.construct_yaml_int,
        _TAG + "float": safe.construct_yaml_float,
        _TAG + "null": safe.construct_yaml_null,
    }
    return table, lambda tag, text: makers[tag](yaml.ScalarNode(tag, text))


def _positions(data: bytes) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Give the path and the line of every key and item; only errors need it, so it may be slow."""
    import yaml

    parser = _parser(data)
    # Of each open collection the key or position it is at; None: a mapping that expects a key.
    frames: list[str | int | None] = []
    while not isinstance(event := parser.get_event(), yaml.DocumentEndEvent):
        if isinstance(event, yaml.CollectionEndEvent):
            frames.pop()
            _step(frames)
        elif isinstance(event, yaml.NodeEvent):
            if frames and frames[-1] is None:
                frames[-1] = getattr(event, "value", "")
                yield _path(frames), _line(event)
            else:
                if frames and isinstance(frames[-1], int):
                    yield _path(frames), _line(event)
                _enter(frames, event)


def _line(event: _Event) -> int:
    line: int = event.start_mark.line
    return line + 1


def _path(frames: list[str | int | None]) -> tuple[str | int, ...]:
    return tuple(frame for frame in frames if frame is not None)


def _enter(frames: list[str | int | None], event: _Event) -> None:
    """Begin a collection, or go past a value that is complete."""
    import yaml

    if isinstance(event, yaml.CollectionStartEvent):
        frames.append(None if isinstance(event, yaml.MappingStartEvent) else 0)
    else:
        _step(frames)


def _step(frames: list[str | int | None]) -> None:
    """Go on to the next key or item after a value is complete."""
    if frames:
        position = frames[-1]
        frames[-1] = position + 1 if isinstance(position, int) else None


def _syntax_error(error: yaml.YAMLError, data: bytes, path: Path) -> CassetteError:
    """Say where PyYAML stopped, in our shape; its own text names the file ``<byte string>``."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        problem = str(getattr(error, "problem", error))
        # libyaml from 0.2.6 on looks ahead and gives up first, at a depth of its own that is beyond ours.
        too_deep = "maximum nesting depth" in problem
        what = _TOO_DEEP if too_deep else f"not valid YAML: {problem}"
        line = mark.line + 1
    else:
        position = int(getattr(error, "position", 0))
        what, line = f"not valid YAML: {getattr(error, 'reason', error)}", data.count(b"\n", 0, position) + 1
    fix = RECORD_AGAIN
    if b"\t" in (data.split(b"\n")[line - 1 : line] or [b""])[0]:
        what, fix = f"{what} (there is a tab in this line)", "indent with spaces"
    return CassetteError(path, what, ("fix", fix), line=line)
