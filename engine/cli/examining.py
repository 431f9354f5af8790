"""The checks of `headrace doctor`, each one line with its way out."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import combinations
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from engine.cli import console, opening, times
from engine.cli.exits import Exit
from engine.cli.wanting import missing
from engine.client import Client
from engine.model.errors import HeadraceError
from engine.model.run import NodeRecord, RunState
from engine.ports.blobs import ONE_PLACE
from engine.wiring import default_store, open_blobs, open_store, project_root

Grade: TypeAlias = Literal["ok", "warn", "fail"]

CONNECT: Final = 2.0
"""Seconds to reach a trace backend."""

LITTLE: Final = 200 * 1024 * 1024
"""Bytes of free disk below which we warn."""

SKEW: Final = 5_000_000_000
"""Nanoseconds that the newest run may lie in the future."""

WAITING: Final = 1_000
"""The newest queued runs among which those are looked for that no node takes."""

_KEPT: Final = (
    "runs go on, their spans are kept: the engine sends them when it answers, else the next one on this store does "
    "(for runs that have ended, within 10 min)"
)

_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True)
class Check:
    """One line. `about` is its key for scripts."""

    about: str
    grade: Grade
    text: str


async def examine(store: str | None, *, as_json: bool) -> Exit:
    """Print every check. STORE when the store cannot be used, FAILED when anything else is wrong."""
    checks: list[Check] = []
    async for check in _checks(store):
        checks.append(check)
        if not as_json:
            console.put(f"{console.paint(f'{check.grade:4}', _STYLES[check.grade])}  {check.about:10}  {check.text}")
    failed = {check.about for check in checks if check.grade == "fail"}
    if as_json:
        console.put_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    if "store" in failed:
        return Exit.STORE
    return Exit.FAILED if failed else Exit.OK


async def _checks(store: str | None) -> AsyncGenerator[Check]:
    for check in _installation():
        yield check
    url = store or default_store()
    yield Check("place", "ok", f"{_shown(url)}, {_why(store)}")
    async for check in _store(url):
        yield check
    yield await _telemetry()


def _installation() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("python", "ok", f"{version} at {sys.executable}")
    versions = [f"{name} {found}" for name in ("headrace", "pydantic", "anyio", "obstore") if (found := _version(name))]
    yield Check("packages", "ok", f"{', '.join(versions)}, SQLite {sqlite3.sqlite_version}")
    if sys.platform != "win32":
        uvloop = _version("uvloop")
        yield (
            Check("loop", "ok", f"uvloop {uvloop}")
            if uvloop
            else Check("loop", "warn", "uvloop is not installed; runs work and are slower: pip install uvloop")
        )


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _shown(url: str) -> str:
    file = opening.file_of(url) if url.startswith("sqlite://") else None
    return url if file is None else str(file.resolve())


def _why(store: str | None) -> str:
    if store is not None:
        return "as --store says"
    if os.environ.get("HEADRACE_STORE"):
        return "as HEADRACE_STORE says"
    root = project_root()
    if (root / "pyproject.toml").is_file():
        return f"because {root / 'pyproject.toml'} marks the project"
    return "in the current folder, as no pyproject.toml lies here or above"


async def _store(url: str) -> AsyncGenerator[Check]:
    try:
        file = opening.file_of(url)
        if file is not None and not file.exists():
            yield _nothing_yet(file)
            return
        store = open_store(url)
        await store.open()
    except HeadraceError as error:
        yield Check("store", "fail", str(error))
        return
    try:
        yield Check("store", "ok", store.description)
        async for check in _inside(Client(store, open_blobs(url))):
            yield check
    finally:
        await store.close()
    if file is not None:
        yield _room(file)


def _nothing_yet(file: Path) -> Check:
    folder = next(parent for parent in file.resolve().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        told = f"{folder} cannot be written ({error.strerror}): give this user permission, or choose with --store"
        return Check("store", "fail", told)
    return Check("store", "ok", "not there yet; the first run makes it")


async def _inside(client: Client) -> AsyncGenerator[Check]:
    store = client.store
    if "SQLite" in store.description:
        from engine.stores.sqlite.migrate import migrations

        yield Check("schema", "ok", f"version {migrations()[-1].version}, the newest")
    nodes = await store.nodes()
    for node in nodes:
        what = f"node {node.id} on {node.host}, up {times.rough(time.time_ns() - node.started)}"
        if node.unheard:
            ends = f"its lease ends in {node.lasts:.0f} s, and then others take over its runs"
            yield Check("nodes", "warn", f"{what}, has not been heard of for {node.silent:.0f} s; {ends}")
        elif node.alive:
            yield Check("nodes", "ok", f"{what}, serves {_served(node)}{_duty(node)}")
        else:
            yield Check("nodes", "warn", f"{what}, has died; the next node takes over its runs")
    if not nodes:
        yield Check("nodes", "ok", "none is running")
    yield _large_results(client.blobs.place, [node for node in nodes if node.alive])
    for lacking, count in (await _wanting(client, nodes)).items():
        yield Check("runs", "warn", f"{count:,} wait for {lacking}; start one with `headrace serve`")
    counts = await store.count_runs()
    told = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
    if counts.get(RunState.DIVERGED):
        yield Check(
            "runs", "warn", f"unfinished: {told}; `headrace runs --state diverged` lists those that stand still"
        )
    else:
        yield Check("runs", "ok", f"unfinished: {told or 'none'}")
    holders = await store.holders()
    pools = {pool: sum(1 for held in holders if held[0] == pool) for pool, *_ in holders}
    held = ", ".join(f"{pool} {count}" for pool, count in pools.items())
    yield Check("pools", "ok", f"slots held: {held or 'none'}")
    newest = await store.list_runs(limit=1)
    ahead = newest[0].created - time.time_ns() if newest else 0
    if ahead > SKEW:
        text = (
            f"the newest run was made {times.rough(ahead)} from now: the clock of this machine went back; set it right"
        )
        yield Check("clock", "warn", text)
    else:
        yield Check("clock", "ok", f"{times.iso(time.time_ns())}, behind no run")


def _large_results(place: str, nodes: Sequence[NodeRecord]) -> Check:
    here = NodeRecord("", os.getpid(), socket.gethostname(), time.time_ns(), (), alive=True, blobs=place)
    if not any(one.may_miss(other) for one, other in combinations([here, *nodes], 2)):
        return Check("large results", "ok", f"in {place}")
    theirs = ", ".join(f"in {node.blobs} for {node.id} on {node.host}" for node in nodes if node.blobs)
    return Check("large results", "warn", f"in {place} here, {theirs}: not all may be read everywhere. {ONE_PLACE}")


def _served(node: NodeRecord) -> str:
    versions = node.versions or ("1",) * len(node.flows)
    pairs = zip(node.flows, versions, strict=True)
    return ", ".join(name if version == "1" else f"{name} (version {version})" for name, version in pairs)


def _duty(node: NodeRecord) -> str:
    """What a live node is set to, besides its flows."""
    parts = [f"{node.concurrency:,} runs at once"] if node.concurrency else []
    if node.queues is None:
        parts.append("all queues")
    else:
        parts.append(f"queues {', '.join(node.queues)}" if node.queues else "only runs it was told of")
    parts += [f"tags {', '.join(node.tags)}"] if node.tags else []
    parts += [f"lease {node.lease:g} s"] if node.lease is not None else []
    return f"; {', '.join(parts)}"


async def _wanting(client: Client, nodes: Sequence[NodeRecord]) -> Counter[str]:
    """How many of the newest runs that could go wait for a kind of node that is not there."""
    runs = await client.store.list_runs(states=[RunState.QUEUED], limit=WAITING)
    now = time.time_ns()
    due = [run for run in runs if not run.held and (run.wake_at or 0) <= now]
    return Counter(lacking for run in due if (lacking := missing(run, nodes)) is not None)


def _room(file: Path) -> Check:
    free = shutil.disk_usage(file.resolve().parent).free
    text = f"{free / 1e9:,.1f} GB free"
    return Check("disk", "ok", text) if free > LITTLE else Check("disk", "warn", f"{text}: make room before it is full")


async def _telemetry() -> Check:
    from observability.settings import destination

    to = destination("traces", os.environ)
    if to is None:
        return Check(
            "traces",
            "ok",
            "sent nowhere: OTEL_EXPORTER_OTLP_ENDPOINT is not set; `headrace show RUN --trace` needs none",
        )
    try:
        parts = urlsplit(to.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it should look like http://collector:4318")
        async with asyncio.timeout(CONNECT):
            _, writer = await asyncio.open_connection(parts.hostname, port)
        writer.close()
    except ValueError as error:
        return Check("traces", "fail", f"{to.url} is no OTLP/HTTP endpoint: {error}")
    except TimeoutError:
        return Check("traces", "warn", f"{to.url} does not answer within {CONNECT:g} s; {_KEPT}")
    except OSError as error:
        return Check("traces", "warn", f"{to.url} cannot be reached ({error}); {_KEPT}")
    return Check("traces", "ok", f"{to.url} answers")
