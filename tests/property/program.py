"""Generated programs as flows: a tree, and plain asyncio code that acts it out.

A node is a list: its kind, then what the kind needs. What the code of a flow observes (results, winners, the order in
which things came, the class of an exception) goes to the world's ledger at the moment it is observed, and into the
result of the run.
"""

# Programs are trees of plain lists, so what is taken out of them has no type that a checker could know.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from typing import Any

import anyio

from engine import flow, now, random, sleep, sleep_until, timeout, uuid, wait_for
from tests.property.steps import CAUGHT, EXPECTED, STEPS, digest, large, picky, work
from tests.property.world import world

Node = list[Any]


@flow
async def child(tree: list[Any]) -> list[Any]:
    world().began()
    return ["child", await act(tree)]


@flow
async def program(tree: list[Any], lenient: bool) -> list[Any]:
    """Act the tree out; a lenient program returns what it raised."""
    world().began()
    try:
        return ["returned", await act(tree)]
    except EXPECTED as error:
        if not lenient:
            raise
        return ["raised", shown(error)]
    except asyncio.CancelledError:
        await work("clean up")
        world().saw("cleaned up")
        raise


async def act(node: Node) -> Any:
    """What a node comes to."""
    kind, *rest = node
    world().met[kind] += 1
    value = await ACTS[kind](*rest)
    world().saw(kind, value)
    return value


def branch(node: Node) -> Coroutine[Any, Any, Any]:
    """A node as a coroutine for another asyncio task; a bare step is the task's own coroutine."""
    if node[0] != "bare":
        return act(node)
    world().met["bare"] += 1
    return work(node[1])


def shown(outcome: Any) -> Any:
    """A result or an exception as JSON."""
    if isinstance(outcome, ExceptionGroup):
        return ["group", *map(shown, outcome.exceptions)]
    if isinstance(outcome, BaseException):
        return [type(outcome).__name__, *map(str, outcome.args[:2])]
    return outcome


def outcome(done: asyncio.Future[Any]) -> Any:
    """What an asyncio task came to, as JSON."""
    if done.cancelled():
        return ["cancelled"]
    return shown(done.exception() or done.result())


async def act_step(name: str, *arguments: Any) -> Any:
    world().met[name] += 1
    return await STEPS[name](*arguments)


async def act_bare(label: str) -> str:
    return await work(label)


async def act_seq(nodes: list[Node]) -> list[Any]:
    return [await act(node) for node in nodes]


async def act_gather(nodes: list[Node], collect: bool) -> list[Any]:
    world().met["gather, collecting" if collect else "gather, raising"] += 1
    results = await asyncio.gather(*map(branch, nodes), return_exceptions=collect)
    return [shown(result) for result in results]


async def act_twice(node: Node) -> list[Any]:
    return [*await asyncio.gather(act(node), act(node), return_exceptions=False)]


async def act_group(nodes: list[Node]) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        branches = [group.create_task(branch(node)) for node in nodes]
    return [each.result() for each in branches]


async def act_anyio(nodes: list[Node]) -> list[Any]:
    results: dict[int, Any] = {}

    async def put(number: int, node: Node) -> None:
        results[number] = await act(node)

    async with anyio.create_task_group() as group:
        for number, node in enumerate(nodes):
            group.start_soon(put, number, node)
    return [[number, result] for number, result in results.items()]  # in the order in which they came


async def act_race(nodes: list[Node], losers: str) -> list[Any]:
    tasks = [asyncio.ensure_future(branch(node)) for node in nodes]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    order: list[int] = []
    world().met["several won"] += len(done) > 1
    while done:
        order.append(tasks.index(done.pop()))
    world().saw("won", *order)
    await work(f"after {order[0]}")
    if losers == "cancel" and pending:
        for each in tasks:
            each.cancel()
        await asyncio.wait(pending)
    while losers == "drain" and pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        while done:
            order.append(tasks.index(done.pop()))
    return [order, *[outcome(each) if each.done() else "left" for each in tasks]]


async def act_completed(nodes: list[Node]) -> list[Any]:
    """`as_completed` begins coroutines in an order of its own, which differs from one process to the next.

    So what a branch learns before it first waits would be seen in another order; such branches are begun here.
    """
    order: list[Any] = []
    branches = [branch(node) for node in nodes]
    given = [*map(asyncio.ensure_future, branches)] if any(map(learns_at_once, nodes)) else branches
    for each in asyncio.as_completed(given):
        try:
            order.append(await each)
        except EXPECTED as error:
            order.append(shown(error))
        world().saw("came", order[-1])
    return order


def learns_at_once(node: Node) -> bool:
    """Whether a branch may see something before it waits for anything."""
    return any(part[0] in ("now", "dice") for part in parts_of(node))


def parts_of(tree: Any) -> Iterator[Node]:
    """All lists in a tree that could be nodes, however deep."""
    if isinstance(tree, list) and tree:
        yield tree
        for part in tree:
            yield from parts_of(part)


async def act_catch(kinds: list[str], node: Node) -> list[Any]:
    try:
        return ["fine", await act(node)]
    except tuple(CAUGHT[kind] for kind in kinds) as error:
        world().met[f"caught {type(error).__name__}"] += 1
        return ["caught", shown(error)]


async def act_cancel(victim: Node, trigger: Node) -> list[Any]:
    running = asyncio.create_task(branch(victim))
    first = await act(trigger)
    running.cancel()
    await asyncio.wait([running])
    world().met["cancelled"] += running.cancelled()
    return [first, outcome(running)]


async def act_shield(protected: Node, trigger: Node) -> list[Any]:
    """Whoever waits is cancelled; what it waits for goes on."""
    inner = asyncio.create_task(branch(protected))

    async def waits() -> Any:
        return await asyncio.shield(inner)

    waiting = asyncio.create_task(waits())
    first = await act(trigger)
    world().met["shield held"] += not inner.done()
    waiting.cancel()
    await asyncio.wait([waiting, inner])
    return [first, outcome(waiting), outcome(inner)]


async def act_wait(nodes: list[Node], until: str) -> list[Any]:
    """All of them, or as many as there are until one fails; the rest is awaited then."""
    world().met[f"wait {until}"] += 1
    tasks = [asyncio.create_task(branch(node)) for node in nodes]
    done, pending = await asyncio.wait(tasks, return_when=until)
    first = sorted(map(tasks.index, done))
    world().saw("done", *first)
    if pending:
        await asyncio.wait(pending)
    return [first, *map(outcome, tasks)]


async def act_spawn(aside: Node, node: Node) -> Any:
    left = asyncio.create_task(branch(aside))
    result = await act(node)
    return [result, outcome(left) if left.done() else "left"]


async def act_child(tree: Node) -> Any:
    return await child(tree)


async def act_pipe(producers: list[list[str]], consumers: int, size: int) -> list[Any]:
    queue: asyncio.Queue[str | None] = asyncio.Queue(size)
    order: list[Any] = []

    async def produce(number: int, labels: list[str]) -> None:
        for label in labels:
            await queue.put(f"{number}{await work(label)}")

    async def consume(number: int) -> None:
        while (item := await queue.get()) is not None:
            order.append([number, item])
            world().saw("took", number, item)
            await work(item)

    async with asyncio.TaskGroup() as group:
        for number in range(consumers):
            group.create_task(consume(number))
        async with asyncio.TaskGroup() as sources:
            for number, labels in enumerate(producers):
                sources.create_task(produce(number, labels))
        for _ in range(consumers):
            await queue.put(None)
    return order


async def act_gate(opener: Node, nodes: list[Node]) -> list[Any]:
    gate = asyncio.Event()

    async def behind(node: Node) -> Any:
        await gate.wait()
        return await act(node)

    async def opens() -> Any:
        try:
            return await act(opener)
        finally:
            gate.set()

    return [shown(each) for each in await asyncio.gather(opens(), *map(behind, nodes), return_exceptions=True)]


async def act_limit(nodes: list[Node], slots: int) -> list[Any]:
    free = asyncio.Semaphore(slots)

    async def held(node: Node) -> Any:
        async with free:
            return await act(node)

    return [shown(each) for each in await asyncio.gather(*map(held, nodes), return_exceptions=True)]


async def act_timeout(seconds: float, node: Node) -> list[Any]:
    try:
        async with timeout(seconds):
            return ["in time", await act(node)]
    except TimeoutError:
        world().met["too late"] += 1
        return ["too late"]


async def act_sleep(seconds: float) -> str:
    await sleep(seconds)
    return "slept"


async def act_until(seconds: float) -> str:
    await sleep_until(now() + timedelta(seconds=seconds))
    return "slept until"


async def act_signal(name: str, seconds: float | None) -> str:
    return await wait_for(name, str, timeout=seconds)


async def act_dice(low: Node, high: Node) -> Any:
    side = random() < 0.5
    world().saw("dice", side)
    return [side, await act(low if side else high)]


async def act_uuid() -> str:
    return await work(str(uuid())[:6])


async def act_now() -> list[str]:
    return ["now", now().isoformat()]


async def act_map(labels: list[str], concurrency: int, errors: str) -> list[Any]:
    world().met[f"map {errors}"] += 1
    if errors == "collect":
        return [shown(each) for each in await picky.map(labels, concurrency=concurrency, errors="collect")]
    return await picky.map(labels, concurrency=concurrency)


async def act_stream(labels: list[str], concurrency: int) -> list[Any]:
    results: list[str] = []
    async for each in work.map(labels, concurrency=concurrency):
        world().saw("streamed", each)
        results.append(each)
    return results


async def act_sequences(tags: list[str], length: int) -> list[Any]:
    """Concurrent sequences that call the same tasks: what a counter per run mixes up."""
    order: list[str] = []

    async def sequence(tag: str) -> list[str]:
        results = [tag]
        for _ in range(length):
            results.append(await work(results[-1] + tag[0]))
            order.append(results[-1])
            world().saw("sequence", results[-1])
        return results

    return [*await asyncio.gather(*map(sequence, tags)), order]


async def act_large(label: str) -> list[Any]:
    parts = await large(label)
    return [len(parts), await digest(parts)]


ACTS: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {
    name.removeprefix("act_"): act for name, act in list(globals().items()) if name.startswith("act_")
}
