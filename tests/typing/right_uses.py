"""Uses that both type checkers must accept, with the types they must see. Never run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, assert_type
from uuid import UUID

from engine import (
    Engine,
    PermanentError,
    Pool,
    Rate,
    Retry,
    RetryLater,
    current,
    every,
    flow,
    now,
    on_schedule,
    random,
    shell,
    sleep,
    sleep_until,
    task,
    timeout,
    unkeyed,
    uuid,
    wait_for,
)


@dataclass(frozen=True)
class Order:
    id: int


@dataclass(frozen=True)
class Receipt:
    number: str


class Client: ...


@task
async def charge(order: Order, *, currency: str = "EUR") -> Receipt:
    return Receipt(f"{order.id}-{currency}")


@task(retry=Retry(attempts=5, on=(OSError,)), timeout=timedelta(seconds=30), pool=Pool("bank", 4), tags=["bank"])
async def refund(order: Order, reason: str) -> Receipt:
    raise RetryLater(after=timedelta(seconds=3))


@task
def total(receipts: list[Receipt]) -> int:
    return len(receipts)


def id_of(order: Order, client: Client) -> str:
    return str(order.id)


@task(pure=True, key=id_of, on_unknown="ask", version="2", name="pack")
def pack(order: Order, client: Annotated[Client, unkeyed]) -> bytes:
    raise PermanentError("no")


@flow(lane=lambda order: order.id, priority=7, queue="mail", requires=["smtp"], pool=Pool("bills", 3))
async def in_line(order: Order) -> Receipt:
    return await charge(order)


@task(rate=Rate("bank", 100, per=timedelta(minutes=1), key=lambda order: order.id, burst=5))
async def slowly(order: Order) -> None: ...


@flow(singleton="replace", key=lambda order: order.id, rate=Rate("runs", 5, per=timedelta(seconds=1)))
async def newest(order: Order) -> Receipt:
    return await charge(order)


@flow
async def bill(order: Order, copies: int = 1) -> Receipt:
    return await charge(order)


@flow(on=on_schedule("0 8 * * *", timezone="Europe/Berlin"), timeout=timedelta(hours=1), on_divergence="rerun")
async def report(day: date | None = None) -> dict[str, int]:
    return {"day": (day or current().scheduled_for.date()).day}


@flow(on=[every(timedelta(minutes=5)), on_schedule("@hourly")], tags={"often"}, version="3")
async def nothing() -> None: ...


async def tasks_keep_their_signatures(order: Order) -> None:
    assert_type(await charge(order), Receipt)
    assert_type(await charge(order, currency="CHF"), Receipt)
    assert_type(await refund(order, "damaged"), Receipt)
    assert_type(await total([]), int)
    assert_type(await pack(order, Client()), bytes)


async def task_calls_are_coroutines(order: Order) -> None:
    alone = asyncio.create_task(charge(order))
    assert_type(await alone, Receipt)
    both = await asyncio.gather(charge(order), total([]))
    assert_type(both, tuple[Receipt, int])
    async with asyncio.TaskGroup() as group:
        grouped = group.create_task(total([]))
    assert_type(grouped.result(), int)


async def flows_keep_their_signatures(order: Order) -> None:
    assert_type(await bill(order), Receipt)
    assert_type(await bill(order, copies=2), Receipt)
    assert_type(await report(), dict[str, int])
    assert_type(await nothing(), None)


async def maps_are_lists_or_streams(orders: list[Order]) -> None:
    assert_type(await charge.map(orders), list[Receipt])
    assert_type(await charge.map(orders, concurrency=8, errors="raise", fixed={"currency": "CHF"}), list[Receipt])
    assert_type(await total.map([[Receipt("1")]]), list[int])
    assert_type(await charge.map(stream_of(orders)), list[Receipt])
    collected = await charge.map(orders, errors="collect")
    assert_type(collected, list[Receipt | Exception])
    async for receipt in charge.map(orders):
        assert_type(receipt, Receipt)
    async for outcome in charge.map(orders, errors="collect"):
        assert_type(outcome, Receipt | Exception)


async def stream_of(orders: list[Order]) -> AsyncIterator[Order]:
    for order in orders:
        yield order


async def a_run_has_the_type_of_its_flow(order: Order) -> None:
    async with Engine("sqlite:///state.db", flows=[bill, report, nothing], durability="power") as engine:
        run = await engine.start(bill.bind(order, copies=2), id=f"order-{order.id}")
        assert_type(await run.result(), Receipt)
        assert_type(run.id, str)
        await run.signal("approval", {"by": "ann"})
        await run.cancel()
        other = await engine.start(report.bind())
        assert_type(await other.result(), dict[str, int])


async def recorded_values_have_their_types() -> None:
    assert_type(now(), datetime)
    assert_type(random(), float)
    assert_type(uuid(), UUID)
    await sleep(timedelta(days=3))
    await sleep(0.5)
    await sleep_until(now() + timedelta(hours=1))
    async with timeout(timedelta(minutes=1)):
        assert_type(await wait_for("order", Order, timeout=timedelta(days=1)), Order)
    anything: Any = await wait_for("anything")
    print(anything)


async def a_shell_command_has_a_result() -> None:
    result = await shell(["git", "status"], check=False, timeout=timedelta(seconds=10))
    assert_type(result.code, int)
    assert_type(result.stdout, str)


def inside_a_run_one_knows_who_one_is() -> None:
    me = current()
    assert_type(me.run_id, str)
    assert_type(me.attempt, int)
    assert_type(me.idempotency_key, str)
    assert_type(me.scheduled_for, datetime)
    me.progress(3, total=10, message="a third")
    me.logger.info("at %s", me.task)


def the_raw_function_is_there() -> None:
    raw: Callable[..., Any] = total.fn
    print(raw([Receipt("1")]))
