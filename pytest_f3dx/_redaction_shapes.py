r"""What a credential looks like, wherever it stands.

A table of our own, not a library's: docs/redaction.md says what was tried and measured. Every
pattern is anchored on a literal (its hint), so a text without the hint costs one substring search.

Patterns run over raw text in which line ends may be escaped (``\n`` in JSON) or percent-encoded:
`starts_word` knows that the ``n`` before ``\nsk-…`` is not a letter of a word. They are ASCII only, so
bytes can be searched after a latin-1 decoding, which keeps every position.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from pytest_f3dx._redaction_names import field_meaning, is_opaque, kebab, words_of
from pytest_f3dx._redaction_sparse import sparse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Find(NamedTuple):
    """One secret in a text.

    Attributes:
        start: Position of its first character.
        end: Position behind its last.
        name: What it is, kebab case.
        value: The secret with escapes undone, the same wherever it is found.
        quote: Put around the placeholder; a JSON number becomes a string.
        encoded: Percent-encode the placeholder; brackets make ``urlsplit`` of Python 3.11 fail in a userinfo.
    """

    start: int
    end: int
    name: str
    value: str
    quote: str = ""
    encoded: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """One row of the table.

    Attributes:
        name: Kebab case, as it stands in the placeholder.
        hints: A text with none of these has no such secret.
        pattern: Group ``v`` is the secret if there is one, else the whole match.
        is_word: It starts where no word, or an escape, ends. Not part of the pattern: that begins
            with a literal, which makes the search ten times faster.
        check: Decides over the value where the pattern alone cannot.
    """

    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    is_word: bool
    check: Callable[[str], bool] | None = None


_START = re.compile(r"(?<![\w-])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4})", re.ASCII)
_WORD = r"(?=)"  # marks a pattern of the table as one that starts a word
_END = r"(?![\w-])"
# PEM text without quotes: a header in one string and a footer in another never swallow what is between.
_PEM_SPACE = r"(?: |\+|%20)"
_PEM_EDGE = rf"(?:[A-Z0-9]+{_PEM_SPACE})*PRIVATE{_PEM_SPACE}KEY(?:{_PEM_SPACE}BLOCK)?-----"
_PEM_BREAK = r"(?:\s|\\+[nrt]|%0[AD])*"
_PEM = (
    rf"-----BEGIN{_PEM_SPACE}{_PEM_EDGE}"
    rf"(?:(?:[^\"'<>{{}}-]|-(?!----)){{16,}}?-----END{_PEM_SPACE}{_PEM_EDGE}"
    # Cut off before its end: headers and lines of base64 as far as they go.
    rf"|(?:{_PEM_BREAK}(?:Proc-Type|DEK-Info|Version|Comment):[^\n\\\"]*)*(?:{_PEM_BREAK}[A-Za-z0-9+/=%]{{16,}})+)"
)


_BREAK = re.compile(r"\s|\\+[nrt]|%0[AD]", re.ASCII)


def is_basic(value: str) -> bool:
    """Tell ``user:password`` in base64 from a word behind "Basic"."""
    try:
        decoded = base64.b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return False
    return b":" in decoded and decoded.isascii() and decoded.decode().isprintable()


def is_bearer(value: str) -> bool:
    """Tell a token from a word behind "Bearer"."""
    return is_opaque(value, 8)


def _names_credential(variable: str, value: str) -> bool:
    """Tell ``ACME_API_KEY`` from ``CACHE_KEY``, whose value is a secret only if long and mixed."""
    if field_meaning(variable):
        return True
    return variable.endswith("KEY") and len(value) >= _LONG and _MIXED.search(value) is not None


def _is_assigned(value: str) -> bool:
    """Tell a value from code behind ``API_KEY=``."""
    return is_opaque(value, 8) and not re.match(r"os\.|process\.|self\.|settings\.|config\.", value)


_EXAMPLES = frozenset("password passwd pass pw pwd secret user username token key".split())


def _is_userinfo(value: str) -> bool:
    """Tell a password from the word that stands for one in documentation, and from templates and masks."""
    return value.lower() not in _EXAMPLES and not re.fullmatch(r"[*xX.]+|\$.*|[{(%<].*", value)


def _shape(name: str, hints: str, pattern: str, check: Callable[[str], bool] | None = None) -> Shape:
    """Build a row; hints are separated by spaces."""
    bare = pattern.removeprefix(_WORD)
    return Shape(name, tuple(hints.split()), re.compile(bare, re.ASCII), bare != pattern, check)


SHAPES: tuple[Shape, ...] = (
    _shape("private-key", "-----BEGIN", _PEM),
    _shape("anthropic-key", "sk-ant-", _WORD + r"sk-ant-[\w-]{16,}"),
    _shape("openrouter-key", "sk-or-", _WORD + r"sk-or-(?:v\d+-)?[\w-]{16,}"),
    _shape(
        "openai-key",
        "sk-",
        _WORD + r"sk-(?:(?:proj|svcacct|admin|None|service|org|user)-[\w-]{16,}|[A-Za-z0-9]{20,})",
    ),
    _shape("secret-key", "sk-", _WORD + r"sk-[a-z]{2,8}-(?=[\w-]{0,80}\d)[A-Za-z0-9-]{24,}"),
    _shape("google-key", "AIza", _WORD + r"AIza[\w-]{35}" + _END),
    _shape("google-oauth-token", "ya29.", _WORD + r"ya29\.[\w-]{20,}"),
    _shape("google-refresh-token", "1//0", _WORD + r"1//0[\w-]{30,}"),
    _shape("google-client-secret", "GOCSPX-", _WORD + r"GOCSPX-[\w-]{20,}"),
    _shape("aws-access-key-id", "AKIA ASIA", _WORD + r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _shape("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", _WORD + r"gh[pousr]_[A-Za-z0-9]{30,}"),
    _shape("github-token", "github_pat_", _WORD + r"github_pat_\w{30,}"),
    _shape("gitlab-token", "glpat-", _WORD + r"glpat-[\w-]{20,}"),
    _shape(
        "slack-token",
        "xoxa- xoxb- xoxc- xoxd- xoxe- xoxo- xoxp- xoxr- xoxs-",
        _WORD + r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{12,}",
    ),
    _shape("slack-token", "xapp-", _WORD + r"xapp-\d-[A-Za-z0-9-]{20,}"),
    _shape(
        "slack-webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<v>[\w/-]{20,})",
    ),
    _shape(
        "discord-webhook", "/webhooks/", r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/(?P<v>[\w-]{30,})"
    ),
    _shape("teams-webhook", "webhook.office.com", r"webhook\.office\.com/webhookb2/(?P<v>[\w@/-]{40,})"),
    _shape("huggingface-token", "hf_", _WORD + r"hf_[A-Za-z0-9]{30,}"),
    _shape("groq-key", "gsk_", _WORD + r"gsk_[A-Za-z0-9]{32,}"),
    _shape("replicate-token", "r8_", _WORD + r"r8_[A-Za-z0-9]{30,}"),
    _shape("perplexity-key", "pplx-", _WORD + r"pplx-[A-Za-z0-9]{32,}"),
    _shape("xai-key", "xai-", _WORD + r"xai-[A-Za-z0-9]{32,}"),
    _shape("nvidia-key", "nvapi-", _WORD + r"nvapi-[\w-]{32,}"),
    _shape("cerebras-key", "csk-", _WORD + r"csk-[a-z0-9]{32,}"),
    _shape("tavily-key", "tvly-", _WORD + r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{20,}"),
    _shape("langsmith-key", "lsv2_", _WORD + r"lsv2_(?:pt|sk)_[a-z0-9]{32}(?:_[a-z0-9]+)?"),
    _shape("npm-token", "npm_", _WORD + r"npm_[A-Za-z0-9]{36}" + _END),
    _shape("pypi-token", "pypi-", _WORD + r"pypi-AgE[\w-]{50,}"),
    _shape("sendgrid-key", "SG.", _WORD + r"SG\.[\w-]{16,}\.[\w-]{16,}"),
    _shape("stripe-key", "k_live_ k_test_", _WORD + r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _shape("webhook-secret", "whsec_", _WORD + r"whsec_[A-Za-z0-9+/]{24,}=*"),
    _shape("digitalocean-token", "_v1_", _WORD + r"do[opr]_v1_[a-f0-9]{64}"),
    _shape("twilio-key", "SK", _WORD + r"SK[0-9a-f]{32}" + _END),
    _shape("telegram-token", ":AA %3AAA", _WORD + r"\d{5,12}(?::|%3A)AA[\w-]{30,}"),
    _shape("telegram-token", ":AA %3AAA", r"(?<=bot)\d{5,12}(?::|%3A)AA[\w-]{30,}"),
    _shape("telegram-token", "/bot", r"(?<=/bot)\d{3,}(?::|%3A)[\w-]{5,}(?=[/?#\"'\s\\]|$)"),
    _shape("jwt", "eyJ", _WORD + r"eyJ[\w-]{8,2048}\.eyJ[\w-]{8,}(?:\.[\w-]*)?"),
    _shape("jwt", "eyJ", _WORD + r"eyJ[\w-]{16,2048}\.[\w-]*\.[\w-]{16,}\.[\w-]{16,}\.[\w-]{16,}"),
    _shape(
        "bearer",
        "earer BEARER",
        _WORD + r"(?:[Bb]earer|BEARER)(?:\s|%20|\+)+(?P<v>[\w.~+/-]{8,}=*)",
        is_bearer,
    ),
    _shape(
        "basic-auth",
        "asic BASIC",
        _WORD + r"(?:[Bb]asic|BASIC)(?: |%20|\+)+(?P<v>[A-Za-z0-9+/]{6,}={0,2})",
        is_basic,
    ),
    _shape("account-key", "Key=", r"(?i:(?:Account|SharedAccess)Key)=(?P<v>[A-Za-z0-9+/]{20,}={0,2})"),
)

_USERINFO = re.compile(r":\\*/\\*/[^\s/?#\"'<>\\@:]*:(?P<v>[^\s/?#\"'<>\\@]+)@", re.ASCII)
_ASSIGNED = re.compile(
    r"=(?:(?<=_KEY=)|(?<=_TOKEN=)|(?<=SECRET=)|(?<=PASSWORD=)|(?<=PASSWD=))[\"']?(?P<v>[\w.~+/-]{8,}=*)(?![\w(\[{])",
    re.ASCII,
)
# A header, a line of YAML or of a settings file: `X-Api-Key: …`. Shorter values are words, as in prose.
_LINE = re.compile(
    r":(?=[ %+])"  # which most colons of JSON are not followed by
    r"(?:(?<=[kK]ey:)|(?<=KEY:)|(?<=oken:)|(?<=OKEN:)|(?<=ecret:)|(?<=SECRET:)|(?<=assword:)|(?<=PASSWORD:))"
    r"(?: |%20|\+){1,4}[\"']?(?P<v>[\w.~+/-]{12,}=*)(?![\w(\[{])",
    re.ASCII,
)
_LINE_NAME = re.compile(r"(?:(?<=\\[nrt])|(?<![\\\w-]))[A-Za-z][\w-]{1,47}$", re.ASCII)
_LONG = 20
_MIXED = re.compile("[0-9].*[A-Za-z]|[A-Za-z].*[0-9]")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,47}$", re.ASCII)


# All of these but the loose ones stand in one piece with their key, and that is so many characters long.
_LOOSE = frozenset("-----BEGIN earer BEARER asic BASIC /bot".split())
# How each of them goes on behind its rarest letter: two passes, and most texts are done with.
_MAY_BE_LOOSE = (re.compile(rb"B(?:EGIN|earer|EARER|asic|ASIC)"), re.compile(rb"b(?:earer|asic|(?<=/b)ot)"))
_PIECE_BYTES = 128 * 1024  # what is gone over several times should stay in the processor's cache
_RUN_CHARACTERS = 16
_RUN = b"a" * _RUN_CHARACTERS
_RUN_CLASSES = bytes(
    97 if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "_+/=.%@:-") else 32
    for code in range(256)
)


def runs_of(raw: bytes) -> list[bytes]:
    """Return the runs of a text that are long enough for a key, each once; prose has next to none.

    Found by a substring search, which skips through prose several times faster than a regex for such a run:
    100 KB cost 0.13 ms.
    """
    classes = raw.translate(_RUN_CLASSES)
    runs: list[bytes] = []
    at = classes.find(_RUN)
    while at >= 0:
        end = classes.find(b" ", at + _RUN_CHARACTERS)
        end = len(classes) if end < 0 else end
        runs.append(raw[classes.rfind(b" ", 0, at) + 1 : end])
        at = classes.find(_RUN, end)
    return list(dict.fromkeys(runs))


def is_run(text: str) -> bool:
    """Whether a text, wherever it stands, is part of one of the `runs_of`."""
    raw = text.encode()
    return len(raw) >= _RUN_CHARACTERS and b" " not in raw.translate(_RUN_CLASSES)


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut a text at ends of lines, over which neither a hint nor a run goes; both are ASCII."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + _PIECE_BYTES) + 1 or len(data)
        yield data[start:end]
        start = end


class _Hints:
    """Finds the shapes worth searching for in one pass over the long runs and a few substring searches."""

    def __init__(self, shapes: tuple[Shape, ...]) -> None:
        """Group the hints by their last character: one in ``-_.`` is rare enough to be jumped to."""
        hints = sorted({hint for shape in shapes for hint in shape.hints} - _LOOSE)
        self._anchored = [hint for hint in hints if hint[-1] in "-_."]
        # The lookahead throws out the hyphens of prose at once: every such key goes on for twelve characters.
        self._jump = re.compile(
            r"[-_.](?=[\w+/-]{12})(?:"
            + "|".join(f"(?<={re.escape(hint)})()" for hint in self._anchored)
            + ")"
        )
        self._plain = [hint for hint in hints if hint[-1] not in "-_."]
        self._shapes: dict[str, list[int]] = {}
        for index, shape in enumerate(shapes):
            for hint in shape.hints:
                self._shapes.setdefault(hint, []).append(index)
        self._loose = [(hint, hint.encode()) for hint in sorted(_LOOSE)]

    def of(self, hint: str) -> list[int]:
        """Return the indices of the shapes that have a hint."""
        return self._shapes[hint]

    def shapes(self, data: bytes) -> list[int]:
        """Return the indices of the shapes of which a hint stands in a text, in the table's order.

        Args:
            data: The text, UTF-8; surrogates do no harm.
        """
        found: set[int] = set()
        for raw in _pieces(data):
            if any(begin.search(raw) for begin in _MAY_BE_LOOSE):
                found.update(
                    index for hint, literal in self._loose if literal in raw for index in self.of(hint)
                )
            if runs := runs_of(raw):
                found |= self.in_runs(b"\n".join(runs).decode("ascii"))
        return sorted(found)

    def in_runs(self, runs: str) -> set[int]:
        """Return the indices of the shapes of which a hint stands in the long runs of a text."""
        found: set[str] = set()
        if runs:
            hits = {self._anchored[(match.lastindex or 1) - 1] for match in self._jump.finditer(runs)}
            # `sk-` ends where `csk-` does: the alternation names one of them, so the shorter ones are added.
            found |= {
                hint for hit in hits for hint in self._anchored if hit.endswith(hint) or hint.endswith(hit)
            }
            found |= {hint for hint in self._plain if hint in runs}
        return {index for hint in found for index in self.of(hint)}


HINTS = _Hints(SHAPES)


def starts_word(text: str, position: int) -> bool:
    """Tell whether no word runs on into this position; the letter of an escape is none."""
    return _START.match(text, position) is not None


def shape_finds(text: str) -> Iterator[Find]:
    """Yield what looks like a credential in a text, without regard to names.

    Args:
        text: Any text, or bytes decoded as latin-1.

    Yields:
        Finds shape by shape; they may overlap.
    """
    yield from table_finds(text)
    yield from written_finds(text)


def written_finds(text: str) -> Iterator[Find]:
    """Yield what is written so that it shows to be a secret: in an address, behind a name and a sign."""
    for match in sparse(_USERINFO, ":", text) if "@" in text else ():
        if _is_userinfo(match["v"]):
            yield Find(match.start("v"), match.end("v"), "userinfo", match["v"], encoded=True)
    for match in sparse(_ASSIGNED, "=", text):
        if _is_assigned(match["v"]):
            # The end of a name at least, such as KEY.
            variable = "".join(_VARIABLE.findall(text[max(0, match.start() - 48) : match.start()]))
            if _names_credential(variable, match["v"]):
                yield Find(match.start("v"), match.end("v"), kebab(words_of(variable)), match["v"])
    for match in sparse(_LINE, ":", text):
        named = _LINE_NAME.search(text[max(0, match.start() - 48) : match.start()])
        meaning = field_meaning(named.group()) if named else None
        if meaning and _is_assigned(match["v"]) and _MIXED.search(match["v"]):
            yield Find(match.start("v"), match.end("v"), meaning.name, match["v"])


def table_finds(text: str) -> Iterator[Find]:
    """Yield what looks like a credential by the table alone, which even random bytes do not match."""
    for index in HINTS.shapes(text.encode("utf-8", "surrogatepass")):
        yield from shape_matches(text, SHAPES[index])


def shape_matches(text: str, shape: Shape) -> Iterator[Find]:
    """Yield the matches of one shape that stand where they may and pass its check."""
    group = "v" if "v" in shape.pattern.groupindex else 0
    pattern, misses = shape.pattern, 0
    match = pattern.search(text)
    while match:
        if shape.is_word and not starts_word(text, match.start()):
            # A real key may begin inside what is none: `disk-sk-…`. Where that goes on and on, each try would
            # run to its end: the slower pattern looks at the start first.
            misses += 1
            pattern = _worded(shape.pattern.pattern) if misses > _MISSES else pattern
            match = pattern.search(text, match.start() + 1)
            continue
        if shape.check is None or shape.check(match[group]):
            # The same PEM block is the same value with its line ends raw, escaped or encoded.
            value = _BREAK.sub("", match[group])
            yield Find(match.start(group), match.end(group), shape.name, value)
        match = pattern.search(text, match.end())


_MISSES = 32


@lru_cache(maxsize=64)
def _worded(pattern: str) -> re.Pattern[str]:
    """Return a pattern that matches only where a word starts."""
    return re.compile(f"(?:{_START.pattern})(?:{pattern})", re.ASCII)
