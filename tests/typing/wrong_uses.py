"""Uses that must be type errors, each line marked. A test compares the marks with what both checkers find. Never run.

`# error` is an error for mypy and for pyright; `# error: pyright` only for the one that sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from engine import Engine, Pool, Retry, RetryLater, flow, on_schedule, sleep, task, timeout, wait_for


@dataclass(frozen=True)
class Order:
    id: int


@dataclass(frozen=True)
class Receipt:
    number: str


@task
async def charge(order: Order, *, currency: str = "EUR") -> Receipt:
    return Receipt(f"{order.id}-{currency}")


@task
def total(receipts: list[Receipt]) -> int:
    return len(receipts)


@task
async def nothing() -> None: ...


@flow
async def bill(order: Order, copies: int = 1) -> Receipt:
    return await charge(order)


async def arguments_are_checked(order: Order) -> None:
    await charge(7)  # error
    await charge()  # error
    await charge(order, "CHF")  # error
    await charge(order, currency=3)  # error
    await charge(order, colour="red")  # error
    await total(["1"])  # error
    await bill("order")  # error
    await bill(order, copies="two")  # error
    bill.bind()  # error
    bill.bind(order, 1, 2)  # error
    bill.bind(order, colour="red")  # error


async def results_are_checked(order: Order) -> None:
    wrong_task: int = await charge(order)  # error
    wrong_sync: str = await total([])  # error
    wrong_flow: str = await bill(order)  # error
    not_awaited: Receipt = charge(order)  # error
    async with Engine("sqlite:///state.db", flows=[bill]) as engine:
        run = await engine.start(bill.bind(order))
        wrong_run: str = await run.result()  # error
        await engine.start(bill(order))  # error
        await engine.start(bill)  # error


async def maps_are_checked(orders: list[Order]) -> None:
    wrong_item: list[str] = await charge.map(orders)  # error
    failures_are_values: list[Receipt] = await charge.map(orders, errors="collect")  # error
    await charge.map(orders, errors="ignore")  # error
    await charge.map(orders, concurrency="many")  # error
    await charge.map(7)  # error
    await charge.map([1, 2])  # error: pyright
    await nothing.map([1])  # error: pyright
    for _ in charge.map(orders):  # error
        pass


async def waiting_is_checked() -> None:
    wrong_payload: str = await wait_for("approval", Order)  # error
    await wait_for("approval", Order, timedelta(days=1))  # error
    await sleep("3 days")  # error
    with timeout(timedelta(hours=1)):  # error
        pass


def declarations_are_checked() -> None:
    task(retry=3)  # error
    task(timeout=30)  # error
    task(pool="warehouse")  # error
    task(on_unknown="guess")  # error
    task(attempts=5)  # error
    flow(on="0 8 * * *")  # error
    flow(on_divergence="ignore")  # error
    flow(singleton="wait")  # error
    flow(lane="customer")  # error
    flow(priority="high")  # error
    Retry(attempts="many")  # error
    Retry(5)  # error
    RetryLater()  # error
    Pool("warehouse")  # error
    on_schedule("0 8 * * *", "Europe/Berlin")  # error
    Engine("sqlite:///state.db", flows=[charge])  # error
    Engine("sqlite:///state.db", flows=[bill], durability="forever")  # error


@flow  # error
def not_async(order: Order) -> Receipt:
    return Receipt(str(order.id))
