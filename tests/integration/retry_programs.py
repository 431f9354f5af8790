"""Tasks that are tried again, in processes that die in between; run by `one_run`."""

from __future__ import annotations

from datetime import timedelta

from engine import Retry, RetryLater, UnknownOutcome, current, flow, task
from tests.integration.process import die_once, note


@task(retry=Retry(attempts=4, delay=timedelta(seconds=1.5), factor=1.0, jitter=0.0))
async def needs_three() -> int:
    note("attempt", current().attempt, current().idempotency_key)
    if current().attempt < 3:
        raise ConnectionError("not yet")
    return current().attempt


@flow
async def killed_in_its_back_off() -> int:
    return await needs_three()


@task(on_unknown="ask", retry=Retry(attempts=2, delay=timedelta(0)))
async def launch() -> str:
    note("launch", current().attempt)
    if current().attempt == 1:
        raise ConnectionError("misfire")
    die_once()
    return "launched"


@flow
async def asks_after_a_failed_attempt() -> str:
    try:
        return await launch()
    except UnknownOutcome as error:
        note("asked", "attempt 2" in str(error), current().run_id in str(error) or "idempotency key" in str(error))
        return "looked it up"


@task(on_unknown="fail")
def wire() -> None:
    note("wire")
    die_once()


@flow
async def fails_rather_than_repeat() -> None:
    try:
        await wire()
    except Exception as error:  # noqa: BLE001 - the point: the flow is not asked
        note("the flow was asked", repr(error))


@task(on_unknown="retry")
def again() -> str:
    note("again", current().idempotency_key)
    die_once()
    return "done"


@flow
async def repeats() -> str:
    return await again()


@task(retry=Retry(attempts=3, delay=timedelta(0)))
async def asks_for_time() -> int:
    note("asked", current().attempt)
    if current().attempt == 1:
        raise RetryLater("busy", after=timedelta(seconds=1.5))
    return current().attempt


@flow
async def told_when_to_come_back() -> int:
    return await asks_for_time()


def when_it_likes(error: Exception) -> bool:
    raise RuntimeError("a predicate of the user's")


@task(retry=Retry(attempts=5, delay=timedelta(0), when=when_it_likes))
async def judged_badly() -> None:
    note("judged", current().attempt)
    raise ValueError("the first error")


@flow
async def with_a_predicate_that_raises() -> str:
    try:
        await judged_badly()
    except ValueError as error:
        note("caught", error, *error.__notes__)
        await dies()
        return str(error)
    return "never"


def heard(event: object) -> None:
    note("heard", type(getattr(event, "error", None)).__name__, getattr(event, "task", ""))


@task(on_success=heard)
async def succeeds() -> None:
    return None


@task(on_failure=heard, retry=Retry(attempts=2, delay=timedelta(0)))
async def fails() -> None:
    raise ValueError("no")


@task
async def dies() -> None:
    die_once()


@flow(on_success=heard)
async def with_hooks() -> None:
    await succeeds()
    try:
        await fails()
    except ValueError:
        await dies()


FLOWS = (
    killed_in_its_back_off,
    asks_after_a_failed_attempt,
    fails_rather_than_repeat,
    repeats,
    with_hooks,
    told_when_to_come_back,
    with_a_predicate_that_raises,
)
