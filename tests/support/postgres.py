"""A private PostgreSQL server: made from the machine's own programs, on a port of the kernel's choice."""

from __future__ import annotations

import asyncio
import atexit
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

from engine.ports.store import Store
from engine.stores.postgres import PostgresStore
from engine.stores.postgres.address import Address
from engine.stores.postgres.connect import Connection, Door
from tests.support.polling import until

GIVEN = os.environ.get("HEADRACE_TEST_POSTGRES")
"""A server of yours to use instead, whose user may make schemas. Tests that restart or trouble theirs do not use it."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "off",  # a server that is killed loses nothing; only a power cut would tell
    "full_page_writes": "off",
    "log_min_messages": "warning",
    "ssl": "on",
    "password_encryption": "scram-sha-256",  # which PostgreSQL 13 does not do by itself
}

GUARD = """\
read word && exit 0
stop="$1 -D $2 -m immediate stop"
if [ "$(id -un)" = "$4" ]; then $stop; else su "$4" -s /bin/sh -c "$stop"; fi
rm -rf "$3"
"""
"""Stops the server of a session that was killed: then its standard input ends without a word."""

ACCESS = """\
local all all trust
host all locked 127.0.0.1/32 scram-sha-256
host nowhere all 127.0.0.1/32 reject
host all all 127.0.0.1/32 trust
"""


class Server:
    """One server in a folder of its own. `stop("immediate")` is a crash."""

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="headrace-postgres-"))
        self.port = _free_port()
        self._data = self.folder / "data"
        self._settings = SETTINGS | settings
        self._guard: subprocess.Popen[bytes] | None = None
        atexit.register(self.remove)
        self._make()

    @property
    def url(self) -> str:
        """For the superuser, who needs no password."""
        return self.url_of("postgres")

    def url_of(self, user: str, database: str = "postgres", port: int | None = None) -> str:
        """For somebody else, somewhere else, or through a proxy."""
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}?sslmode=disable"

    @property
    def certificate(self) -> Path:
        """What a client trusts who knows this server: it stands for `localhost` and `127.0.0.1`."""
        return self.folder / "server.crt"

    def start(self) -> None:
        """Start and wait until it answers."""
        options = " ".join(f"-c {name}={value}" for name, value in self._settings.items())
        for last in (False, False, True):
            listen = f"-p {self.port} -k {self.folder} {options}"
            try:
                self._control("start", "-w", "-l", str(self.folder / "log"), "-o", listen)
                break
            except AssertionError:
                if last or self._guard is not None:
                    raise
                self.port = _free_port()  # somebody else was faster
        if self._guard is None:
            self._guard = subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    GUARD,
                    "guard",
                    str(programs() / "pg_ctl"),
                    str(self._data),
                    str(self.folder),
                    _user(),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop it, in good order or as a crash would."""
        self._control("stop", "-w", "-m", mode)

    def remove(self) -> None:
        """Stop it and delete its files."""
        atexit.unregister(self.remove)
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.communicate(b"done\n")
            self._guard = None
        if (self._data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self) -> None:
        _run(
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(self.folder / "server.key"), "-out", str(self.certificate)),
        )
        for path in (self.folder, *self.folder.iterdir()):
            shutil.chown(path, _user())
        (self.folder / "server.key").chmod(0o600)
        options = ("-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        _program("initdb", "-D", str(self._data), *options)
        (self._data / "pg_hba.conf").write_text(ACCESS)
        self._settings |= {
            "ssl_cert_file": str(self.certificate),
            "ssl_key_file": str(self.folder / "server.key"),
        }

    def _control(self, *command: str) -> None:
        _program("pg_ctl", "-D", str(self._data), "-s", *command)


@cache
def programs() -> Path:
    """Where the server's programs are. Fails, with what to do, on a machine without them."""
    places = [Path(found).resolve().parent for found in [shutil.which("pg_ctl")] if found]
    if shutil.which("pg_config"):
        places.append(Path(_run("pg_config", "--bindir").strip()))
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if all((place / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
            return place
    raise AssertionError(
        "there is no PostgreSQL server on this machine: `make services` installs one on Debian and Ubuntu, "
        "or name one to use in HEADRACE_TEST_POSTGRES"
    )


def _program(name: str, *arguments: str) -> None:
    _run(str(programs() / name), *arguments, user=_user())


def _run(*command: str, user: str | None = None) -> str:
    me = pwd.getpwuid(os.geteuid()).pw_name
    other = user if user is not None and user != me else None
    account = None if other is None else pwd.getpwnam(other)
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if user is None else subprocess.DEVNULL,
        stderr=subprocess.STDOUT if user is None else subprocess.PIPE,
        text=True,
        timeout=60,
        cwd="/",
        user=other,
        group=None if account is None else account.pw_gid,
        extra_groups=None if account is None else [],
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} failed: {done.stdout or ''}{done.stderr or ''}")
    return done.stdout or ""


def _user() -> str:
    """The server refuses to run as root."""
    me = pwd.getpwuid(os.geteuid()).pw_name
    return "postgres" if me == "root" else me


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def serving(**settings: str) -> Iterator[Server]:
    """A server for as long as a fixture lives."""
    server = Server(**settings)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@contextmanager
def schema_of_its_own(url: str) -> Generator[str]:
    """The URL of a store that nobody else uses. On a server that was given, nothing is left behind."""
    schema = f"test_{secrets.token_hex(8)}"
    yield f"{url}{'&' if '?' in url else '?'}schema={schema}"
    if GIVEN:
        asyncio.run(execute(url, f"DROP SCHEMA IF EXISTS {schema} CASCADE"))


async def let_expire(url: str, node: str) -> None:
    """Let the time of a node's lease be over, by the server's clock."""
    await execute(url, f"UPDATE headrace.node SET expires = clock_timestamp() - interval '1 s' WHERE id = '{node}'")


async def execute(url: str, statement: str) -> str:
    """Do something to the tables of a store behind its back; answers the server's word for it."""
    address = Address.parse(url)
    connection = await Door(address, "a test", pooled=True).connect()
    try:
        return await connection.execute(address.sql(statement))
    finally:
        await connection.close()


async def rows(url: str, query: str, *args: object) -> list[tuple[object, ...]]:
    """What the tables of a store hold; `$schema` stands for the schema's name."""
    address = Address.parse(url)
    connection = await Door(address, "a test", pooled=True).connect()
    try:
        await connection.execute("BEGIN")
        found = await connection.fetch(address.sql(query).replace("$schema", f"'{address.schema}'"), *args)
        return [tuple(row.values()) for row in found]
    finally:
        await connection.close()


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = $1"


@asynccontextmanager
async def in_the_middle(url: str, *statements: str) -> AsyncGenerator[Connection]:
    """A transaction that has done this and has not been committed."""
    address = Address.parse(url)
    connection = await Door(address, "in the middle").connect()
    await connection.execute("BEGIN")
    for sql in statements:
        await connection.execute(address.sql(sql))
    try:
        yield connection
    finally:
        await connection.close()


async def until_blocked(store: Store, url: str, *, times: int = 1) -> None:
    """Return when so many statements of a store wait for a lock."""
    assert isinstance(store, PostgresStore)
    name = store._door.name  # pyright: ignore[reportPrivateUsage]

    async def blocked() -> bool:
        return await rows(url, WAITING, name) == [(times,)]

    await until(blocked, 10, every=0.01)
