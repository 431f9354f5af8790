"""`serve --health`: whether a node lives and takes runs, asked over HTTP."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from engine import Engine, flow
from engine.cli.health import AT_ONCE, Health, host_and_port
from engine.model.errors import UsageError
from engine.stores.blobs import MemoryBlobs
from engine.stores.postgres import PostgresStore
from tests.cli.conftest import Headrace
from tests.support import relay
from tests.support.polling import until
from tests.support.proxy import Proxy


@flow
async def idle() -> None:
    return


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """A node that has joined."""
    async with Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[idle]) as engine:
        yield engine


async def asked(health: Health, path: str, method: str = "GET") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(method, health.url + path)


def test_a_node_tells_that_it_is_ready_and_nobody_else_may_listen_there(headrace: Headrace) -> None:
    node = headrace.start("serve", "flows_here.py", "--health", "0")
    node.until(node.says("ready\n"))
    found = re.search(r"health at (http://127\.0\.0\.1:\d+)/livez", node.err)
    assert found is not None
    ready = httpx.get(f"{found[1]}/readyz", trust_env=False)
    assert (ready.status_code, ready.json()["ready"], ready.json()["runs"]) == (200, True, 0)
    port = str(urlsplit(found[1]).port)
    assert "cannot listen there" in headrace("serve", "flows_here.py", "--health", port, code=2).err
    node.send(signal.SIGTERM)
    assert node.end().code == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{found[1]}/livez", trust_env=False)


async def test_it_is_ready_between_joining_and_draining(tmp_path: Path) -> None:
    engine = Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[idle])
    async with Health(engine, "0") as health:
        joining = await asked(health, "/readyz")
        assert (joining.status_code, joining.json()["why"]) == (503, "joining")
        assert (await asked(health, "/livez")).json() == {"live": True, "node": engine.node.id}
        async with engine:
            health.phase = "ready"
            assert (await asked(health, "/readyz")).json() == {"ready": True, "node": engine.node.id, "runs": 0}
            health.phase = "draining"
            draining = await asked(health, "/readyz?verbose=1")
            assert (draining.status_code, draining.json()["why"]) == (503, "draining")
            assert (await asked(health, "/livez")).status_code == 200


async def test_a_node_that_was_declared_dead_is_not_ready(engine: Engine) -> None:
    async with Health(engine, "0") as health:
        health.phase = "ready"
        await engine.store.leave(engine.node.id)
        assert (await asked(health, "/readyz")).json()["why"] == "declared dead by another node"


async def test_a_node_whose_store_is_out_of_reach_is_not_ready(url: str) -> None:
    address = urlsplit(url)
    assert address.port is not None
    async with relay.opened(Proxy(address.port)) as proxy:
        store = PostgresStore(proxy.url(url))
        async with Engine(store, flows=[idle], blobs=MemoryBlobs()) as engine, Health(engine, "0") as health:
            health.phase = "ready"
            assert (await asked(health, "/readyz")).status_code == 200
            port = proxy.port
            await proxy.close()
            told = (await asked(health, "/readyz")).json()["why"]
            await proxy.open(port)
            assert told.startswith("the store does not answer: ")

            async def is_ready() -> bool:
                return (await asked(health, "/readyz")).status_code == 200

            await until(is_ready, every=0.05)


async def test_other_questions_are_refused(engine: Engine) -> None:
    async with Health(engine, "0") as health:
        assert (await asked(health, "/")).status_code == 404
        assert (await asked(health, "/livez", "POST")).status_code == 405
        head = await asked(health, "/livez", "HEAD")
        assert (head.status_code, head.content) == (200, b"")
        where = urlsplit(health.url)
        for words in (b"nonsense\r\n\r\n", b"\r\n\r\n"):
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
            writer.write(words)
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
            writer.close()


async def test_who_says_nothing_or_too_much_costs_nobody_else_an_answer(engine: Engine) -> None:
    async with Health(engine, "0") as health:
        where = urlsplit(health.url)
        silent = [await asyncio.open_connection(where.hostname, where.port) for _ in range(AT_ONCE - 1)]
        endless, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(b"x" * 20_000)
        assert await endless.read() == b""
        assert (await asked(health, "/livez")).status_code == 200
        for _, mute in (*silent, (endless, writer)):
            mute.close()


def test_addresses() -> None:
    assert host_and_port("8080") == ("127.0.0.1", 8080)
    assert host_and_port(":8080") == ("127.0.0.1", 8080)
    assert host_and_port("0.0.0.0:80") == ("0.0.0.0", 80)
    assert host_and_port("[::1]:80") == ("::1", 80)
    for wrong in ("", "host", "host:", "1:99999", "1:²"):
        with pytest.raises(UsageError, match="--health"):
            host_and_port(wrong)


async def test_an_ipv6_address_is_told_as_one(engine: Engine) -> None:
    if not socket.has_ipv6:
        assert host_and_port("[::1]:0") == ("::1", 0)
        return
    async with Health(engine, "[::1]:0") as health:
        assert health.url.startswith("http://[::1]:")
