"""The tasks of generated programs: quick, slow, failing, tried again, calling others, in a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from random import Random
from typing import Any

from engine import PermanentError, Pool, Retry, RetryLater, TaskFailed, current, task
from tests.property.world import world


class Rejected(Exception):
    """An exception that can be rebuilt from its arguments."""


class Unkempt(Exception):
    """One that cannot, so that flows meet TaskFailed."""

    def __init__(self, *, why: str) -> None:
        super().__init__(why)


RAISED: dict[str, Callable[[str], Exception]] = {
    "value": ValueError,
    "key": KeyError,
    "rejected": Rejected,
    "unkempt": lambda why: Unkempt(why=why),
}
CAUGHT: dict[str, type[Exception]] = {
    "value": ValueError,
    "key": KeyError,
    "rejected": Rejected,
    "unkempt": TaskFailed,
    "group": ExceptionGroup,
    "late": TimeoutError,
}
NARROW = Pool("narrow", 2)
EXPECTED = (ValueError, KeyError, Rejected, TaskFailed, ExceptionGroup, TimeoutError, PermanentError)


@task
async def work(label: str) -> str:
    await world().work()
    return label


@task
async def slow(label: str) -> str:
    await world().work(slow=True)
    return label


def name_of(label: str) -> str:
    return f"named {label}"


@task(key=name_of)
async def named(label: str) -> str:
    await world().work()
    return label


@task(pure=True)
async def pure(label: str) -> str:
    await world().work()
    return label


@task
async def fail(label: str, kind: str) -> str:
    await world().work()
    raise RAISED[kind](label)


@task
async def picky(label: str) -> str:
    await world().work()
    if label == "c":
        raise ValueError(label)
    return label


@task(retry=Retry(attempts=3, delay=timedelta(seconds=1), on=(ValueError,)))
async def flaky(label: str, fails: int) -> str:
    await world().work()
    if current().attempt <= fails:
        raise ValueError(label)
    return label


@task(retry=Retry(attempts=3))
async def stubborn(label: str, fails: int) -> str:
    await world().work()
    if current().attempt <= fails:
        raise RetryLater("later", after=timedelta(seconds=2)) if label < "c" else PermanentError(label)
    return label


@task(timeout=timedelta(seconds=10), retry=Retry(attempts=2, on=(TimeoutError,)))
async def hasty(label: str) -> str:
    """Now and then too slow for its limit, once or twice."""
    await world().work(slow=True)
    return label


@task(pool=NARROW)
async def pooled(label: str) -> str:
    await world().work()
    return label


@task
def in_thread(label: str) -> str:
    """A thread that may begin late, even after the life that started it."""
    me = current()
    time.sleep(Random(f"{world().seed}|{me.key}").choice((0, 0, 0.003)))
    world().executing()
    return label


@task
async def large(label: str) -> list[str]:
    await world().work()
    return [label * 10] * 1000


@task
async def digest(parts: list[str]) -> int:
    await world().work()
    return sum(map(len, parts))


@task
async def outer(label: str, depth: int) -> list[Any]:
    """Tasks in a task: side by side, one after the other, one that fails, and deeper ones."""
    await world().work()
    beside: list[Any] = [*await asyncio.gather(work(label), work(label), work(f"{label}+"))]
    try:
        await fail(label, "value")
    except ValueError as error:
        beside.append(error.args[0])
    if depth:
        beside.append(await outer(label, depth - 1))
    return beside


STEPS: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {
    "work": work,
    "slow": slow,
    "named": named,
    "pure": pure,
    "fail": fail,
    "flaky": flaky,
    "stubborn": stubborn,
    "outer": outer,
    "hasty": hasty,
    "pooled": pooled,
    "in_thread": in_thread,
}
