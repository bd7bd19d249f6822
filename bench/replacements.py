"""List every replacement that redaction makes in a directory of cassettes, to be looked at kind by kind.

    python bench/replacements.py DIRECTORY [EXAMPLES]

Cassettes of vcrpy are read as exchanges, everything else as JSON text. At the end stands how many of the
redacted exchanges the last gate would refuse: each one is a recording that fails for nothing.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_f3dx import _foreign
from pytest_f3dx._audit import Auditor
from pytest_f3dx._content import decoded
from pytest_f3dx._files import read_bytes
from pytest_f3dx._model import Request, Response
from pytest_f3dx._redaction import Redactor
from pytest_f3dx.errors import CassetteError, printable

AROUND = 40  # characters shown on each side
Found = dict[str, dict[str, str]]  # kind: value: where it stands


class Listing(Redactor):
    """A redactor that remembers what it replaced."""

    def __init__(self, found: Found, where: str) -> None:
        super().__init__()
        self.found, self.where = found, where

    def _finds(self, text: str, finder: Any) -> Any:
        finds = super()._finds(text, finder)
        for find in finds:
            around = text[max(0, find.start - AROUND) : find.end + AROUND]
            self.found[find.name].setdefault(find.value, f"{self.where}: {around[:160]!r}")
        return finds


def exchanges(path: Path) -> list[tuple[Request, Response]]:
    """Read a file as exchanges, or as one request of JSON text."""
    data = read_bytes(path)
    try:
        if _foreign.is_vcrpy(data):
            return _foreign.load(data, path)
    except CassetteError:
        pass
    kind = (("content-type", "application/json"),)
    return [(Request("POST", "https://h.test/", kind, data), Response(204))]


def main(root: Path, examples: int) -> None:
    """Print the list."""
    found: Found = defaultdict(dict)
    count = refused = 0
    for path in sorted(root.rglob("*")):
        if path.suffix not in {".yaml", ".yml", ".json", ".har", ".txt"}:
            continue
        redactor, auditor = Listing(found, path.name), Auditor()
        auditor.share(redactor)
        for request, response in exchanges(path):
            count += 1
            headers, body = decoded(request.headers, request.body)
            sent = redactor.request(replace(request, headers=headers, body=body))
            headers, body = decoded(response.headers, response.body)
            received = redactor.response(replace(response, headers=headers, body=body))
            refused += bool(auditor.exchange(sent, received))
    for kind, values in sorted(found.items()):
        print(f"{kind}: {len(values)} values")
        for around in list(values.values())[:examples]:
            print(printable(f"    {around}"))
    print(
        f"{count} exchanges, {sum(map(len, found.values()))} values replaced, {refused} refused by the gate"
    )


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
