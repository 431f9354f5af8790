"""A thread that sends what the loop hands it: bounded, in order, again and again until it is taken or time is up."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from observability.post import Accepted, Answer, Refused, TryLater
from observability.threads import ended_within, on_thread

log = logging.getLogger("headrace.telemetry")

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
Item: TypeAlias = "tuple[Callable[..., Sequence[T]], tuple[object, ...], int, int, int]"

LIMIT: Final = 200_000  # records; about 200 MB of waiting spans at worst
SLICE: Final = 512  # records a request: 2 ms of encoding, the longest the loop's thread waits for us
GATHER: Final = 0.05  # seconds in which a batch gathers; a run can be found well within its first second
REPORT_EVERY: Final = 10.0  # seconds between two lines about what was lost
FIRST_DELAY: Final = 0.1  # seconds before the second try, doubled up to LONGEST_DELAY
LONGEST_DELAY: Final = 5.0
GAPS: Final = 100_000  # runs with a gap that we remember one by one
MARKS: Final = 100_000  # watermarks nobody has asked for yet


class Sink(Protocol[T_contra]):
    """Where records go."""

    @property
    def url(self) -> str:
        """For people."""
        ...

    def batch(self, records: Sequence[T_contra]) -> Callable[[float], Answer]:
        """Encode once; what it returns sends, within so many seconds, and may be called again."""
        ...

    def abort(self) -> None:
        """From another thread: end the sending under way."""
        ...

    def close(self) -> None:
        """Nothing more will be sent."""
        ...


class Exporter(Generic[T]):
    """`put` and `reached` belong to the loop's thread, the rest of the work to a thread of our own.

    When the buffer is full the newest records are dropped, and counted. A run that lost a record has a gap: its
    watermark stands still, so that the next owner of the run exports it again.
    """

    def __init__(
        self, what: str, sink: Sink[T], *, limit: int = LIMIT, report_every: float = REPORT_EVERY, later: str = ""
    ) -> None:
        """`later`: what becomes of records that were not sent at the end, for the line that tells of them."""
        self._what = what
        self._later = later
        self._sink = sink
        self._limit = limit
        self._report_every = report_every
        self._queue: deque[Item[T]] = deque()
        self._taken = 0  # written by the loop's thread only
        self._settled = 0  # written by our thread only; the difference is what is waiting
        self._overflowed = 0  # the loop's thread
        self._refused = 0  # our thread
        self._told = 0
        self._tell_at = 0.0
        self._gaps: set[int] = set()
        self._marks: deque[tuple[int, int]] = deque(maxlen=MARKS)
        self._idle = True
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._deadline = float("inf")
        self._thread: Future[None] | None = None
        self._off = False
        self._ailing = False

    # The loop's thread

    def put(self, make: Callable[..., Sequence[T]], args: tuple[object, ...], run: int, mark: int, weight: int) -> None:
        """Hand over what `make(*args)` will make. `mark` is the watermark of `run` once it is sent, -1 for none."""
        if self.waiting + weight > self._limit or self._off or self._closing.is_set():
            self._overflowed += weight
            self._gap(run)
            return
        self._taken += weight
        self._queue.append((make, args, run, mark, weight))
        if self._idle:
            self._rouse()

    def reached(self) -> list[tuple[int, int]]:
        """Since the last call: run and watermark."""
        marks: dict[int, int] = {}
        while self._marks:
            run, mark = self._marks.popleft()
            marks[run] = mark
        return list(marks.items())

    @property
    def waiting(self) -> int:
        """Records handed over of which it is not decided yet whether they arrive."""
        return self._taken - self._settled

    @property
    def lost(self) -> int:
        """Records that were dropped or refused since the start."""
        return self._overflowed + self._refused

    async def close(self, timeout: float) -> None:
        """Send what is left, for at most `timeout` seconds, then let go of the rest."""
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            await ended_within(timeout, self._thread)
        self._sink.abort()
        if left := self._taken - self._settled:
            log.warning(
                "%d %s were not sent to %s before the engine closed%s", left, self._what, self._sink.url, self._later
            )

    def _rouse(self) -> None:
        self._idle = False
        if self._thread is None:
            self._thread = on_thread(self._work, f"headrace-{self._what}")
        self._wake.set()

    def _gap(self, run: int) -> None:
        if len(self._gaps) < GAPS:
            self._gaps.add(run)
        else:
            self._marks = deque(maxlen=0)  # no more watermarks at all: sending twice is better than never

    # Our thread

    def _work(self) -> None:
        try:
            while self._queue or not self._closing.is_set():
                self._rest()
                while self._queue and time.monotonic() < self._deadline:
                    self._deliver(*self._collect())
                if time.monotonic() >= self._deadline:
                    break
            self._report(now=True)
        finally:
            self._sink.close()

    def _rest(self) -> None:
        """Until there is something to send, and a moment longer, so that requests are few."""
        self._idle = True
        if not self._queue:  # looked at after `_idle` is set: a record put before that is seen here
            self._wake.wait(self._report_every)
            self._report()
        self._idle = False
        self._wake.clear()
        self._closing.wait(GATHER)

    def _collect(self) -> tuple[list[T], dict[int, int], int]:
        """About a slice of records, the watermarks that they reach, and how many lines they came from."""
        records: list[T] = []
        marks: dict[int, int] = {}
        weight = 0
        while self._queue and weight < SLICE:
            make, args, run, mark, lines = self._queue.popleft()
            try:
                records += make(*args)
            except Exception:
                log.exception("A line of run %d could not be made into %s", run, self._what)
                self._refused += lines
                self._gap(run)
            if mark >= 0:
                marks[run] = mark
            weight += lines
        return records, marks, weight

    def _deliver(self, records: list[T], marks: dict[int, int], weight: int) -> None:
        for start in range(0, len(records), SLICE):
            part = records[start : start + SLICE]
            try:
                whole = self._send(part)
            except Exception:
                log.exception("%d %s could not be encoded", len(part), self._what)
                whole = False
            if not whole:
                if time.monotonic() >= self._deadline:
                    return
                self._refused += len(part)
                for run in marks:
                    self._gap(run)
        self._settled += weight
        self._marks.extend((run, mark) for run, mark in marks.items() if run not in self._gaps)

    def _send(self, records: list[T]) -> bool:
        """Until the backend takes or refuses them, or the time to close is over."""
        send = self._sink.batch(records)
        delay = FIRST_DELAY
        while not self._off and (left := self._deadline - time.monotonic()) > 0:
            match send(left):
                case Accepted(rejected, reason):
                    self._well()
                    if rejected:
                        log.warning("%s took all but %d %s: %s", self._sink.url, rejected, self._what, reason)
                        self._refused += rejected
                    return True
                case Refused(reason, forever):
                    if forever:
                        self._off = True
                        told = "%s takes no %s (%s): none are sent from now on"
                        log.warning(told, self._sink.url, self._what, reason)
                    else:
                        log.warning("%s refused %d %s: %s", self._sink.url, len(records), self._what, reason)
                    return False
                case TryLater(reason, after):
                    self._ill(reason)
                    self._pause(delay * random.uniform(0.8, 1.2) if after is None else after)
                    delay = min(delay * 2, LONGEST_DELAY)
        return False

    def _pause(self, seconds: float) -> None:
        """Wait, shorter once we are closing, and report meanwhile."""
        until = time.monotonic() + seconds
        while not self._closing.is_set() and (left := until - time.monotonic()) > 0:
            self._closing.wait(min(left, self._report_every))
            self._report()
        if self._closing.is_set():
            time.sleep(max(0.0, min(until, self._deadline, time.monotonic() + FIRST_DELAY) - time.monotonic()))

    def _ill(self, reason: str) -> None:
        if not self._ailing:
            self._ailing = True
            told = "%s does not take %s (%s): keeping up to %d of them and trying again"
            log.warning(told, self._sink.url, self._what, reason, self._limit)

    def _well(self) -> None:
        if self._ailing:
            self._ailing = False
            log.info("%s takes %s again", self._sink.url, self._what)

    def _report(self, *, now: bool = False) -> None:
        lost = self.lost
        if self._off:
            return  # that everything is lost has been said
        if lost > self._told and (now or time.monotonic() >= self._tell_at):
            log.warning("%d %s lost since the last report, %d in all", lost - self._told, self._what, lost)
            self._told, self._tell_at = lost, time.monotonic() + self._report_every
