"""What cannot be opened says why, where, and what to do; and never a password."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from engine.model.errors import StoreCorrupt, StoreError, StoreTooNew, UsageError
from engine.stores.postgres import PostgresStore
from engine.stores.postgres.connect import refuse_old
from tests.contract.conftest import opened
from tests.contract.harness import claimed
from tests.support.postgres import Server, execute, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module's own, with users who may do little."""
    for server in serving():
        asyncio.run(execute(server.url, "CREATE ROLE locked LOGIN PASSWORD 'secret'"))
        asyncio.run(execute(server.url, "CREATE ROLE guest LOGIN"))
        asyncio.run(execute(server.url, "CREATE SCHEMA prepared AUTHORIZATION guest"))
        yield server


async def _refused(url: str, kind: type[StoreError], advice: str, **options: str) -> StoreError:
    store = PostgresStore(url, patience=timedelta(seconds=2), **options)  # type: ignore[arg-type]
    with pytest.raises(kind, match=rf"(127\.0\.0\.1|localhost|nowhere\.invalid).*{advice}") as raised:
        await store.open()
    assert "secret" not in f"{raised.value} {store.description} {store!r}"
    await store.close()
    return raised.value


@pytest.mark.parametrize(
    ("user", "database", "advice"),
    [
        ("locked:secret-but-wrong", "postgres", "password"),
        ("locked", "postgres", "password"),
        ("nobody", "postgres", "user"),
        ("postgres", "nowhere", "pg_hba"),
        ("postgres", "missing", "createdb"),
        ("guest", "postgres", "GRANT CREATE"),
    ],
)
async def test_who_is_not_let_in_learns_why(server: Server, user: str, database: str, advice: str) -> None:
    refusal = await _refused(server.url_of(user, database), StoreError, advice)
    assert advice in str(refusal)
    assert refusal.__cause__ is not None


async def test_a_right_password_and_a_schema_made_by_somebody_else_will_do(server: Server) -> None:
    await execute(server.url, "CREATE SCHEMA IF NOT EXISTS kept AUTHORIZATION locked")
    for user, schema in (("locked:secret", "kept"), ("guest", "prepared")):
        async with opened(PostgresStore(server.url_of(user), schema=schema)) as store:
            await claimed(store)
            assert "secret" not in store.description


async def test_a_right_taken_away_later(server: Server) -> None:
    async with opened(PostgresStore(server.url_of("guest"), schema="prepared")):
        pass
    await execute(server.url, "ALTER TABLE prepared.run OWNER TO postgres")
    async with opened(PostgresStore(server.url_of("guest"), schema="prepared")) as store:
        with pytest.raises(StoreError, match=r"rights.*GRANT"):
            await store.find("x")
    await execute(server.url, "ALTER TABLE prepared.run OWNER TO guest")


@pytest.mark.parametrize(
    ("place", "advice"),
    [("127.0.0.1:1", "running there"), ("nowhere.invalid", "running there")],
)
async def test_a_server_that_is_not_there(place: str, advice: str) -> None:
    refusal = await _refused(f"postgresql://postgres@{place}/postgres", StoreError, advice)
    assert isinstance(refusal.__cause__, OSError)


async def test_a_store_of_a_newer_headrace(url: str) -> None:
    async with opened(PostgresStore(url)):
        pass
    await execute(url, "INSERT INTO headrace.migration (version, name, checksum) VALUES (999, 'future', '')")
    await _refused(url, StoreTooNew, "999.*[Uu]pgrade")


async def test_a_store_made_by_a_changed_build(url: str) -> None:
    async with opened(PostgresStore(url)):
        pass
    await execute(url, "UPDATE headrace.migration SET checksum = 'other'")
    await _refused(url, StoreCorrupt, "migration 1")


async def test_a_schema_of_another_program_stays_as_it_is(url: str) -> None:
    await execute(url, "CREATE SCHEMA headrace".replace("headrace", url.rpartition("=")[2]))
    await execute(url, "CREATE TABLE headrace.run (x text)")
    await _refused(url, StoreCorrupt, "another program")
    assert await execute(url, "INSERT INTO headrace.run VALUES ('theirs')") == "INSERT 0 1"


def test_an_old_server() -> None:
    with pytest.raises(StoreError, match=r"12\.5.*13 or later.*[Uu]pgrade"):
        refuse_old((12, 0, 5), "db.example/x")
    refuse_old((13, 0, 0), "db.example/x")


def test_without_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(StoreError, match=r"headrace\[postgres\]"):
        PostgresStore("postgresql://x/y")


@pytest.mark.parametrize("url", ["postgresql://x/y?lease=soon", "postgresql://x/y?schema=pg_mine", "mysql://x/y"])
def test_a_url_that_means_nothing(url: str) -> None:
    with pytest.raises(UsageError):
        PostgresStore(url)


async def test_a_closed_store_says_so(url: str) -> None:
    store = PostgresStore(url)
    with pytest.raises(StoreError, match="open"):
        await store.find("run")


# TLS ---------------------------------------------------------------------------------------------------------------


def _with_tls(server: Server, host: str, mode: str, root: Path) -> str:
    return f"postgresql://postgres@{host}:{server.port}/postgres?sslmode={mode}&sslrootcert={quote(str(root))}"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_server_that_is_who_it_should_be(server: Server, host: str) -> None:
    async with opened(PostgresStore(_with_tls(server, host, "verify-full", server.certificate), schema="tls")) as store:
        await store.find("x")


async def test_a_server_that_somebody_else_vouches_for(server: Server, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.crt"
    process = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-keyout", str(tmp_path / "stranger.key"), "-out", str(stranger)),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    await _refused(_with_tls(server, "localhost", "verify-full", stranger), StoreError, "sslrootcert")


async def test_a_server_without_tls() -> None:
    async def no(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"N")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(no, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=require"
        await _refused(url, StoreError, "TLS")
