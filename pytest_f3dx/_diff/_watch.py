"""Watches what a test is answered, and compares it with what a live request is answered now."""

from __future__ import annotations

import re
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_f3dx._diff._brief import lines
from pytest_f3dx._diff._checked import DRIFT, FAILED, NEW, SAME, STOPPED, UNDECIDED, Checked
from pytest_f3dx._diff._compare import compare
from pytest_f3dx._diff._endpoint import EndpointJudge
from pytest_f3dx._diff._live import LiveFailedError, send
from pytest_f3dx._review._pairing import pair
from pytest_f3dx.errors import F3dxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_f3dx._config import Config
    from pytest_f3dx._diff._budget import Budget
    from pytest_f3dx._diff._compare import Options
    from pytest_f3dx._model import Interaction, Request, Response
    from pytest_f3dx._routing import Ticket
    from pytest_f3dx._session import TestRun

_NOT_AN_ANSWER = {401, 403, 407, 408, 429}  # and 5xx: who asks, or when, not what
_SERVER_ERROR = 500
_NUMBERED = re.compile(rb"\[redacted:([a-z0-9_.-]+?)-\d+\]")


class Replayed(NamedTuple):
    """A request that was answered from its recording, and is asked again."""

    run: TestRun
    ticket: Ticket
    recorded: Response
    answer: Future[Response] | None


class Recorded(NamedTuple):
    """A request that was recorded anew."""

    run: TestRun
    ticket: Ticket


class Watch:
    """Sends each replayed request again, a few at a time, while the test goes on with the recorded answer."""

    def __init__(
        self,
        mode: str,
        budget: Budget,
        *,
        concurrency: int,
        timeout_s: float,
        verdicts: Callable[[Config], str | None] = lambda _: None,
    ) -> None:
        """Start with nothing asked.

        Args:
            mode: As for `compare`.
            budget: Of live requests.
            concurrency: How many may be under way at once, in this process.
            timeout_s: For each.
            verdicts: Says where the verdicts of a judge are kept.
        """
        self.budget = budget
        self._mode, self._timeout_s, self._verdicts = mode, timeout_s, verdicts
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="f3dx-live")
        self._lock = threading.Lock()
        self._seen: list[Replayed | Recorded] = []
        self._judges: dict[tuple[str, str], EndpointJudge] = {}

    # -- called by a run, from any thread --------------------------------------------------------

    def asked(self, run: TestRun, ticket: Ticket) -> None:
        """Note that a request was asked for; if a recording answered it, ask again."""
        recorded = ticket.response
        if (
            recorded is None or recorded.failure is not None
        ):  # a recorded transport error has nothing to compare
            return
        answer = None
        if self.budget.take():
            answer = self._pool.submit(send, ticket.request, timeout_s=self._timeout_s)
        with self._lock:
            self._seen.append(Replayed(run, ticket, recorded, answer))

    def answered(self, run: TestRun, ticket: Ticket) -> None:
        """Note that a request was recorded; under ``all`` it is compared with what it was answered before."""
        if run.config().record == "all":
            with self._lock:
                self._seen.append(Recorded(run, ticket))

    # -- called by the plugin --------------------------------------------------------------------

    def settle(self) -> list[Checked]:
        """Wait for the live answers so far, and compare them."""
        with self._lock:
            seen, self._seen = self._seen, []
        return [found for each in seen if (found := self._check(each))]

    def close(self) -> None:
        """Give up what is still under way."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check(self, each: Replayed | Recorded) -> Checked | None:
        if isinstance(each, Recorded):
            return self._check_recorded(each)
        recorder, ticket = each.run.recorder(), each.ticket
        request = recorder.redacted_request(ticket.request)
        blank = _blank(request, ticket)
        if each.answer is None:
            return replace(blank, outcome=STOPPED, note=f"--f3dx-max-live={self.budget.limit} is used up")
        try:
            live = each.answer.result()
        except LiveFailedError as error:
            return replace(blank, note=recorder.redacted_text(str(error)))
        kept = recorder.redacted_response(ticket.request, live)
        if kept.status != each.recorded.status and _is_no_answer(kept.status):
            return replace(blank, note=f"answered {kept.status} {kept.reason}".rstrip())
        return self._compared(blank, request, each.recorded, kept, each.run.config())

    def _check_recorded(self, each: Recorded) -> Checked | None:
        found = each.run.recorder().rerecorded(each.ticket)
        if found is None:
            return None
        request, old, new = found
        blank = _blank(request, each.ticket)
        if old is not None:
            return self._compared(blank, request, old, new, each.run.config())
        former = _former(each)
        if former is None:
            return replace(blank, outcome=NEW, note="was not in the cassette")
        checked = self._compared(blank, request, former.responses[0], new, each.run.config())
        return replace(checked, changes=(f"asked instead of {former.fingerprint[:9]}…", *checked.changes))

    def _compared(
        self, blank: Checked, request: Request, old: Response, new: Response, config: Config
    ) -> Checked:
        try:
            drift = compare(_unnumbered(old), _unnumbered(new), self._mode, **self._options(request, config))
        except F3dxError as error:
            facts = tuple(f"{name}: {' '.join(value.split())}" for name, value in error.facts)
            return replace(blank, outcome=UNDECIDED, note=error.what, changes=facts)
        return replace(
            blank,
            outcome=SAME if drift.ok else DRIFT,
            mode=drift.mode,
            note=drift.note,
            changes=tuple(lines(drift)),
            ignored=len(drift.ignored),
        )

    def _options(self, request: Request, config: Config) -> Options:
        options: Options = {
            "ignore": config.diff_ignore,
            "tolerance": config.diff_tolerance,
            "threshold": config.embedding_threshold,
            "context": request.body.decode("utf-8", "replace"),
            "uri": request.uri,
        }
        if config.judge_base_url and "judge" in self._mode:
            options["judge"] = self._judge(config)
        return options

    def _judge(self, config: Config) -> EndpointJudge:
        """Return the judge of some settings; it remembers its verdicts, so there is one for all tests."""
        which = (config.judge_base_url, config.judge_model)
        if which not in self._judges:
            self._judges[which] = EndpointJudge(*which, verdicts=self._verdicts(config))
        return self._judges[which]


def _former(each: Recorded) -> Interaction | None:
    """Return what a changed request was before it was changed: an interaction that is no longer asked for."""
    gone, new = each.run.recorder().exchanged()
    at = next((i for i, exchange in enumerate(new) if exchange.seq == each.ticket.seq), None)
    partners = pair([one.request for one in gone], [exchange.request for exchange in new])
    return next((gone[i] for i, j in partners if i is not None and j is not None and j == at), None)


def _blank(request: Request, ticket: Ticket) -> Checked:
    return Checked(FAILED, f"{request.method} {request.uri}", ticket.fingerprint)


def _is_no_answer(status: int) -> bool:
    return status in _NOT_AN_ANSWER or status >= _SERVER_ERROR


def _unnumbered(response: Response) -> Response:
    """Take the numbers off placeholders: they count the secrets of one recording."""
    return replace(response, body=_NUMBERED.sub(rb"[redacted:\1]", response.body))
