"""The cassette of one test on the disk: opened when first needed, re-keyed, and folded into."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_f3dx import _merge
from pytest_f3dx._model import Cassette, Interaction
from pytest_f3dx._view import Loaded, Remembered
from pytest_f3dx.errors import CassetteAccessError, CassetteFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_f3dx._answers import Answers, Known
    from pytest_f3dx._blobs import BlobStore
    from pytest_f3dx._config import Config
    from pytest_f3dx._journal import Exchange, Journal
    from pytest_f3dx._model import Request, Response
    from pytest_f3dx._rendered import Rendered
    from pytest_f3dx._view import View

    Look = Callable[[str, bytes, Mapping[str, bytes]], None]  # path, the file, blobs

_OURS = b"# pytest-f3dx cassette"


class Store:
    """The file of one test's cassette.

    Attributes:
        path: The file.
        is_shared: Whether tests share it by name.
        order: Place of the test in the order of collection.
    """

    def __init__(
        self,
        root: Path,
        path: Path,
        config: Config,
        test: str,
        journal: Journal,
        answers: Answers | None = None,
    ) -> None:
        """Note where the cassette stands; nothing is read yet.

        Args:
            root: The cassette directory, where blobs stand.
            path: The file.
            config: The settings of the test.
            test: Node id.
            journal: Its pending exchanges, with the lock for rewriting.
            answers: What earlier runs have learnt of cassettes.
        """
        self.path = path
        self.is_shared = config.name is not None
        self.order = 0
        self._seqs: dict[str, int] = {}
        self._config = config
        self._test = f"shared cassette {config.name}" if self.is_shared else test
        self._journal = journal
        self._root = root
        self._is_foreign = False
        is_plain = config.record == "none" and not self.is_shared and not config.match_headers
        self._answers = answers if is_plain else None
        self._known: Known | None = None
        self._rendered: Rendered | None = None

    def exists(self) -> bool:
        """Whether anything, readable or not, stands at the path."""
        return self.path.exists() or self.path.is_symlink()

    # -- reading -------------------------------------------------------------------------------

    def view(self) -> View | None:
        """Open the cassette as it is on the disk now; None if there is none.

        Raises:
            CassetteError: It cannot be read or understood.
        """
        from pytest_f3dx._files import check_inside  # tests that send nothing open no cassette

        check_inside(self.path, self._root)
        if self._answers is None:
            return self._read()
        settings = f"{self._config.ignore} {self._config.replace}"
        self._known = self._answers.of(str(self.path), settings)
        if self._known is None:
            return self._read()
        return Remembered(self._known, lambda: self._read() or Loaded(self._empty()))

    def known(self, request: Request) -> str | None:
        """Return the fingerprint of a request if it was sent, and answered, like this before.

        Args:
            request: As the client sent it, content encoding undone.
        """
        return self._known.fingerprint_of(request) if self._known else None

    def learn(self, request: Request, fingerprint: str, view: View) -> None:
        """Keep for later runs what a request, as the client sent it, was answered.

        Args:
            request: Content encoding undone.
            fingerprint: Of it.
            view: The opened cassette.
        """
        if self._known is not None and (responses := view.responses(fingerprint)):
            text = view.raw(fingerprint)
            if text is not None and b"blob" not in text:  # which would be read anew each time
                self._known.learn(request, fingerprint, responses, [*view.fingerprints])

    def _read(self) -> View | None:
        from pytest_f3dx._files import read_bytes
        from pytest_f3dx._index import LazyCassette, read_shared

        try:
            data, spans = read_shared(self.path) if self.is_shared else (read_bytes(self.path), None)
        except (FileNotFoundError, CassetteAccessError):
            if self.exists():
                raise
            return None
        if foreign := self._foreign(data):
            return foreign
        lazy = LazyCassette(data, self.path, self._blobs(), spans=spans)
        if (lazy.ignore, lazy.replace, lazy.match_headers) == self._header():
            return lazy
        return Loaded(self._rekeyed(lazy.load_all()))

    def _blobs(self) -> BlobStore:
        from pytest_f3dx._blobs import BlobStore

        root = self._root / "_blobs"
        if os.path.islink(root):  # noqa: PTH114 - every replay passes here
            from pytest_f3dx._files import check_inside

            check_inside(root, self._root)
        return BlobStore(root)

    def _foreign(self, data: bytes) -> View | None:
        """Return the view of a cassette of vcrpy; None if it is none."""
        if data.startswith(_OURS):
            return None
        from pytest_f3dx import _foreign

        self._is_foreign = _foreign.is_vcrpy(data)
        if not self._is_foreign:
            return None
        return Loaded(self._from_pairs(_foreign.load(data, self.path)))

    def _header(self) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...], tuple[str, ...]]:
        return self._config.ignore, self._config.replace, self._config.match_headers

    def _empty(self) -> Cassette:
        return Cassette(self._test, {}, *self._header())

    def _fingerprint(self, request: Request) -> str:
        from pytest_f3dx._fingerprint import fingerprint_request

        ignore, replace, match_headers = self._header()
        return fingerprint_request(request, ignore=ignore, replace=replace, match_headers=match_headers)

    def _rekeyed(self, old: Cassette) -> Cassette:
        """Key a cassette by the present settings; requests that have become one share their answers."""
        new = Cassette(old.test, {}, *self._header())
        for interaction in old.interactions.values():
            key = self._fingerprint(interaction.request)
            one = new.interactions.setdefault(key, Interaction(key, interaction.request, []))
            one.responses.extend(interaction.responses)
        return new

    def _from_pairs(self, pairs: Iterable[tuple[Request, Response]]) -> Cassette:
        """Redact and key what another tool has recorded."""
        from pytest_f3dx._content import decoded
        from pytest_f3dx._redaction import Redactor

        redactor, found = Redactor(keep_headers=self._config.keep_headers), self._empty()
        for request, response in pairs:
            headers, body = decoded(request.headers, request.body)
            sent = redactor.request(replace(request, headers=headers, body=body))
            key = self._fingerprint(sent)
            one = found.interactions.setdefault(key, Interaction(key, sent, []))
            one.responses.append(response)
        return found

    # -- writing -------------------------------------------------------------------------------

    def prepare(self, exchange: Exchange) -> None:
        """Do what can be done for folding an exchange before its test has passed."""
        if self._rendered is None:
            from pytest_f3dx._rendered import Rendered

            self._rendered = Rendered()
        self._rendered.add(exchange)

    def fold(
        self,
        exchanges: Iterable[Exchange],
        *,
        rewrite: bool,
        played: Collection[str],
        replayed: Collection[str],
        look: Look,
        is_whole: bool = True,
    ) -> Cassette:
        """Put what a passing test recorded into the cassette, under the lock of all writers.

        Args:
            exchanges: Recorded now or taken over from pending, in any order.
            rewrite: Old entries go (record mode ``all``), unless this run wrote them.
            played: Fingerprints that the test asked for.
            replayed: Those of them that the cassette answered when it was opened.
            look: Looks through what is about to be written, and raises `SecretError`.
            is_whole: Whether nothing more will be asked, so that what was not asked for may go.

        Returns:
            The cassette as it stands on the disk now.

        Raises:
            CassetteError: The file that is there cannot be understood, or the new one cannot be
                written; the file is as it was, and the exchanges are still pending.
        """
        exchanges = sorted(exchanges, key=lambda each: each.seq)
        new = _merge.grouped(exchanges)
        self._seqs = {each.fingerprint: each.seq for each in reversed(exchanges)}
        with self._alone():
            view = self.view()
            old = view.load_all() if view else None
            if rewrite and not self._journal.is_marked():
                return self._rewrite(old, new, look)
            self._refuse_foreign()
            base = old or self._empty()
            fresh = [one for key, one in new.items() if key not in base.interactions or key not in replayed]
            keeps = self.is_shared or not is_whole
            drop = [] if keeps else _merge.superseded(base, fresh, {*played, *new})
            interactions = _merge.merge(base, new, replayed=replayed, drop=drop).interactions
            if self.is_shared:
                interactions = self._arranged(interactions, new, base.interactions, replayed)
            else:
                self._journal.mark()
            merged = Cassette(self._test, interactions, *self._header())
            self._write(merged, look)
            return merged

    def _arranged(
        self,
        merged: dict[str, Interaction],
        new: dict[str, Interaction],
        before: Collection[str],
        replayed: Collection[str],
    ) -> dict[str, Interaction]:
        """Put what several tests of this run have recorded into the order of collection; note who was who."""
        from pytest_f3dx import _order

        known = _order.from_plain(self._journal.origins())
        interactions, known = _order.arranged(
            merged, new, known, before=before, seqs=self._seqs, test=self.order, replayed=replayed
        )
        self._journal.mark(_order.as_plain(known))
        return interactions

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of all writers; what the operating system refuses names the cassette."""
        try:
            with self._journal.rewriting():
                yield
        except OSError as error:
            raise CassetteAccessError(
                self.path,
                f"the cassette cannot be written: {error.strerror or error}",
                ("pending", f"what was recorded is kept in {self._journal.folder}"),
                ("fix", "mend the cause and record again: it is taken from there, not paid for again"),
            ) from error

    def _refuse_foreign(self) -> None:
        if self._is_foreign:
            raise CassetteFormatError(
                self.path,
                "a cassette of vcrpy is replayed, but nothing is added to it",
                ("fix", "record it anew in our format: --f3dx-record=all"),
            )

    def _rewrite(self, old: Cassette | None, new: dict[str, Interaction], look: Look) -> Cassette:
        from pytest_f3dx._same import same_recording

        cassette = Cassette(self._test, new, *self._header())
        self._journal.mark()
        if self.is_shared:
            self._arranged(new, new, (), ())
        if old and not self._is_foreign and same_recording(old, cassette):
            return old  # only ids and clocks differ: the file stays as it was
        if new:
            self._write(cassette, look)
        elif old and not self.is_shared:
            self.path.unlink()
        return cassette

    def _write(self, cassette: Cassette, look: Look) -> None:
        from pytest_f3dx._cassette import encode
        from pytest_f3dx._files import check_inside, write_atomic

        check_inside(self.path, self._root)
        blobs = self._blobs()
        data = encode(cassette, blobs, self._rendered.part if self._rendered else None)
        look(str(self.path), data, blobs.pending)
        blobs.flush()  # before the cassette that names them
        write_atomic(self.path, data)
