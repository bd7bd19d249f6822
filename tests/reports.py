"""Reports to be rendered: one with everything in it, one that is empty, one that is hostile, one that is long."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

from pytest_f3dx._model import Change
from pytest_f3dx._review._model import (
    Blob,
    Context,
    Entry,
    InteractionChange,
    Piece,
    Report,
    Side,
    TestChange,
)

CHAT = "https://api.openai.com/v1/chat/completions"
HOSTILE = (
    """<script>document.title="owned"</script><img src=x onerror="document.title='owned'">"""
    """ ' " & </pre></details></style> \x1b[31m\x00\u202e\u200b\ud800"""
)


def png(red: int, green: int, blue: int) -> bytes:
    """Make a small picture of one colour."""
    rows = (b"\0" + bytes((red, green, blue)) * 60) * 40

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
        )

    head = struct.pack(">IIBBBBB", 60, 40, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


BLUE, RED = png(70, 110, 220), png(200, 90, 60)
PAYLOADS = {"ab" * 32: BLUE, "cd" * 32: RED}


def blob(digest: str, size_bytes: int = len(BLUE), media: str = "image/png") -> Blob:
    return Blob(media, size_bytes, digest * 32, f"cassettes/_blobs/{digest}/{digest * 32}.png")


def payload(of: Blob) -> bytes | None:
    return PAYLOADS.get(of.digest)


CONTEXT = Context(payload=payload)
OLD = Side("b3:" + "5f" * 32, "gpt-4o-mini", 1, 120, 45, 0.00012, 850)
NEW = Side("b3:" + "77" * 32, "gpt-4o", 1, 138, 71, 0.00019, 1210)
OTHER = Side("b3:" + "11" * 32, "claude-sonnet-4-5", 2, 80, 300, 0.0047, 900)
LINES = "".join(f"Line {number} of a prompt that nobody has changed.\n" for number in range(30))

CHANGED = InteractionChange(
    "changed",
    "POST",
    CHAT,
    OLD,
    NEW,
    (
        Entry(
            "message",
            "messages[0]",
            "changed",
            (
                Piece("same", LINES + "Be "),
                Piece("removed", "brief"),
                Piece("added", "polite"),
                Piece("same", "."),
            ),
            "system",
        ),
        Entry(
            "message",
            "messages[1]",
            "changed",
            (
                Piece("same", "What is the "),
                Piece("removed", "total"),
                Piece("added", "sum\n"),
                Piece("same", "?"),
            ),
            "user",
            (blob("ab"),),
            (
                blob("cd", len(RED)),
                blob("ef", 3 * 1024 * 1024),
                Blob("image/png", 0, "", url="https://h/x.png"),
            ),
        ),
        Entry("parameter", "temperature", "changed", (Piece("removed", "0.2"), Piece("added", "0.7"))),
        Entry("tool", "get_invoice", "added", (Piece("added", '{"type": "object"}'),)),
    ),
    (
        Entry(
            "text",
            "text",
            "changed",
            (Piece("same", "It is "), Piece("removed", "1,204"), Piece("added", "1,205")),
        ),
        Entry("finish", "finish", "changed", (Piece("removed", "stop"), Piece("added", "tool_calls"))),
    ),
    (
        Change("$.choices[0].message.content", "changed", "It is 1,204", "It is 1,205", "error"),
        Change("$.choices[0].message.tool_calls", "added", None, ["x" * 3000], "info"),
    ),
    (Change("$.id", "changed", "chatcmpl-1", "chatcmpl-2", "error"),),
    "2 messages and the answer changed",
)
ADDED = InteractionChange(
    "added",
    "POST",
    "https://api.anthropic.com/v1/messages",
    None,
    OTHER,
    (Entry("message", "messages[0]", "added", (Piece("added", "Where is the library?\n" * 60),), "user"),),
    (Entry("text", "text", "added", (Piece("added", "Où est la bibliothèque ?"),)),),
    note="new request",
)
REMOVED = InteractionChange(
    "removed",
    "GET",
    "https://h/files",
    Side("b3:" + "22" * 32),
    None,
    (),
    (Entry("body", "body", "removed", (), "", (Blob("application/pdf", 900, "99" * 32),)),),
)
TESTS = (
    TestChange(
        "tests/test_invoice.py::test_total",
        "cassettes/tests/test_invoice/test_total.yaml",
        "changed",
        interactions=(CHANGED, REMOVED),
        unchanged=2,
        noisy=1,
        settings=(Entry("settings", "ignore", "added", (Piece("added", "$.seed"),)),),
    ),
    TestChange("tests/test_french.py::test_way", "cassettes/way.yaml", "added", interactions=(ADDED,), unchanged=1),
    TestChange("tests/test_old.py::test_moved", "cassettes/new.yaml", "renamed", "cassettes/old.yaml", unchanged=3),
    TestChange("cassettes/head.yaml", "cassettes/head.yaml", "changed", settings=(
        Entry("settings", "ignore", "removed", (Piece("removed", "$.seed"),)),
    )),
    TestChange("cassettes/cut.yaml", "cassettes/cut.yaml", "damaged", problems=(
        "f3dx: the file is cut off [cassette-damaged]\n  cassette  cassettes/cut.yaml:12",
    )),
)  # fmt: skip
FULL = Report("main", "work tree", TESTS, 38, 2, ("Estimates need prices.",))
EMPTY = Report("main", "HEAD", (), 40)


def hostile() -> Report:
    """Return a report in which every text that may come from a cassette tries to get out."""
    side = replace(OLD, fingerprint=HOSTILE, model=HOSTILE)
    blobs = (
        Blob("image/svg+xml", 60, "ab" * 32, HOSTILE),
        Blob(HOSTILE, 9, HOSTILE, "", "javascript:alert(1)"),
    )
    entry = Entry(
        HOSTILE,
        HOSTILE,
        "changed",
        (Piece("removed", HOSTILE), Piece("same", HOSTILE)),
        HOSTILE,
        blobs,
        blobs,
    )
    change = Change(HOSTILE, HOSTILE, HOSTILE, {HOSTILE: [HOSTILE]}, HOSTILE)
    one = InteractionChange(
        HOSTILE,
        HOSTILE,
        HOSTILE,
        side,
        replace(side, tokens_in=9),
        (entry,),
        (entry,),
        (change,),
        (change,),
        HOSTILE,
    )
    test = TestChange(HOSTILE, HOSTILE, HOSTILE, HOSTILE, (one, one), 1, 1, (entry,), (HOSTILE,))
    return Report(HOSTILE, HOSTILE, (test, replace(test, cassette="other")), hints=(HOSTILE,))


def long(count: int) -> Report:
    """Return a report on many tests."""
    tests = tuple(
        replace(TESTS[at % 2], test=f"tests/test_{at // 20}.py::test_{at}", cassette=f"cassettes/{at}.yaml")
        for at in range(count)
    )
    return replace(FULL, tests=tests)
