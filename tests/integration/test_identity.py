"""What a call is known by: its arguments, `key=`, `version=`, and what takes no part; large results by their record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest

from engine import RunFailed, current, flow, task, unkeyed
from engine.model.run import RunState
from tests.integration.conftest import MakeEngine
from tests.support.polling import until


class Client:
    """A handle that JSON could not carry."""


keys: list[tuple[str, str]] = []


@task
async def plain(number: int, client: Client) -> None: ...


@task
async def with_a_client(number: int, client: Annotated[Client, unkeyed]) -> int:
    keys.append((current().key, current().idempotency_key))
    return number


def by_number(client: Client, number: int) -> str:
    return f"number-{number}"


@task(key=by_number)
async def with_a_key(client: Client, number: int) -> int:
    keys.append((current().key, current().idempotency_key))
    return number


@task(version="2")
async def with_a_version(number: int) -> int:
    keys.append((current().key, current().idempotency_key))
    return number


@flow
async def identities() -> list[int]:
    return [await with_a_client(1, Client()), await with_a_key(Client(), 2), await with_a_version(3)]


@flow
async def unkeyable() -> None:
    await plain(1, Client())


async def test_calls_are_known_by_what_their_task_says(make_engine: MakeEngine) -> None:
    keys.clear()
    async with make_engine(identities, unkeyable) as engine:
        await engine.run(identities.bind(), id="one")
        await engine.run(identities.bind(), id="two")
        with pytest.raises(RunFailed, match=r"task plain: the argument `client` .*Annotated\[Client, unkeyed\]"):
            await engine.run(unkeyable.bind())
    one, two = keys[:3], keys[3:]
    assert [key for key, _ in one] == [key for key, _ in two]
    assert one[1][0] == "/with_a_key=number-2#0"
    assert one[2][0].startswith("/with_a_version@2@")
    assert len({idempotency for _, idempotency in keys}) == 6, "runs and steps have keys of their own"


@task
async def large(seed: int) -> str:
    return str(seed) * 100_000


@flow
async def keeps_large_ones() -> int:
    return sum([len(await large(seed)) for seed in range(3)])


def blobs(path: Path) -> list[Path]:
    folder = path.with_name(path.name + ".blobs")
    return [file for file in folder.rglob("*") if file.is_file()] if folder.exists() else []


async def test_large_results_lie_beside_the_store_survive_it_and_go_with_their_run(
    make_engine: MakeEngine, path: Path
) -> None:
    async with make_engine(keeps_large_ones) as engine:
        run = await engine.start(keeps_large_ones.bind(), id="large")
        assert await run.result() == 300_000
        lines = [line for line in await engine.store.read(run.num) if line.kind == "task"]
        assert all(line.blob and len(line.value) < 100 for line in lines)
        assert len(blobs(path)) == 3
    async with make_engine(keeps_large_ones) as engine:
        record = await (await engine.get("large")).record()
        assert record.state is RunState.SUCCEEDED
        line = next(line for line in await engine.store.read(record.num) if line.kind == "task")
        assert line.blob is not None
        assert len(await engine.blobs.get(line.blob)) == 100_002
        assert record.ended is not None
        count, names = await engine.store.prune(ended_before=record.ended + 1, limit=10)
        assert count == 1
        for name in names:
            await engine.blobs.delete(name)
        assert await engine.store.find("large") is None
        await until(lambda: not blobs(path))
