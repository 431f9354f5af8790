"""Runs on SQLite: created by anyone, claimed by one node at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence

from engine.model.errors import Fenced, RunConflict, UnknownRun
from engine.model.limits import ANY, Takes
from engine.model.run import NewRun, RunRecord, RunState
from engine.stores.parents import check_parent
from engine.stores.sqlite.part import Part
from engine.stores.sqlite.pools import full, with_room
from engine.stores.sqlite.rows import array, from_new_run, from_takes, to_run
from engine.stores.sqlite.statements import statement

INSERT_RUN = statement("insert_run")
INSERT_TAG = statement("insert_tag")
FIND_RUN = statement("find_run")
FIND_RUN_BY_NUM = statement("find_run_by_num")
FIND_NODE = statement("find_node")
FIND_DUE_RUNS = statement("find_due_runs")
FIND_DUE_AMONG = statement("find_due_among")
CLAIM_RUN = statement("claim_run")
NEXT_DUE = statement("next_due")
REQUEUE_RUN = statement("requeue_run")
CLEAR_JOURNAL = statement("clear_journal")
COPY_ENTRIES = statement("copy_entries")
MAKE_DUE = statement("make_due")
LIST_CHILDREN = statement("list_children")
FIND_IN_LANE = statement("find_in_lane")
LET_GO = statement("let_go")
CANCEL_RUN = statement("cancel_run")
REQUEST_CANCEL = statement("request_cancel")
WAKE_RUN = statement("wake_run")


class SQLiteRuns(Part):
    """Satisfies `ports.runs.Runs`, together with `SQLiteInbox`."""

    _touched: bool = False  # this object has written something that a node may want to look at
    _version: int = 0  # of the data, when `changed` was last asked

    async def create(self, run: NewRun) -> tuple[RunRecord, bool]:
        def work(connection: sqlite3.Connection) -> tuple[RunRecord, bool]:
            check_parent(run, None if run.parent is None else _one(connection, FIND_RUN_BY_NUM, run.parent))
            if run.lane is not None and run.occupied != "queue":
                known = _one(connection, FIND_RUN, run.id)
                before = connection.execute(FIND_IN_LANE, (run.lane,)).fetchall() if known is None else []
                if before and run.occupied == "skip":
                    return to_run(before[0]), False
                for other in reversed(before):  # those that wait first, or each would have its turn
                    cancel_run(connection, to_run(other), f"replaced by run {run.id}", run.created)
            row = connection.execute(INSERT_RUN, from_new_run(run)).fetchone()
            if row is None:
                return to_run(connection.execute(FIND_RUN, (run.id,)).fetchone()), False
            if run.tags:
                connection.executemany(INSERT_TAG, [(tag, row["num"]) for tag in run.tags])
            return to_run(row), True

        # An event that is delivered again finds its run here, and costs neither the write lock nor a number.
        known = await self.find(run.id)
        if known is not None:
            return known, False
        self._touched = True
        return await self._db.transact(work)

    async def find(self, run_id: str) -> RunRecord | None:
        return await self._db.query(lambda connection: _one(connection, FIND_RUN, run_id))

    async def find_num(self, num: int) -> RunRecord | None:
        return await self._db.query(lambda connection: _one(connection, FIND_RUN_BY_NUM, num))

    async def claim(
        self,
        node: str,
        *,
        now: int,
        limit: int,
        flows: Collection[str],
        only: Collection[int] | None = None,
        takes: Takes = ANY,
    ) -> Sequence[RunRecord]:
        wanted = {"flows": array(flows), "now": now}

        def candidates(connection: sqlite3.Connection) -> list[tuple[int, str | None]]:
            if only is None:
                rows = connection.execute(FIND_DUE_RUNS, {**wanted, **from_takes(takes), "limit": limit}).fetchall()
            else:
                rows = connection.execute(FIND_DUE_AMONG, {**wanted, "only": array(only)}).fetchall()
            return with_room(connection, [(row[0], row[1]) for row in rows], takes.pools)[:limit]

        def work(connection: sqlite3.Connection) -> list[RunRecord]:
            if connection.execute(FIND_NODE, (node,)).fetchone() is None:
                raise Fenced(
                    f"node {node} has not joined this store, or was declared dead: it must join before it claims"
                )
            taken: list[RunRecord] = []
            for num, pool in candidates(connection) if takes.pools else due:
                wanted = {"num": num, "node": node, "now": now, "pool": pool}
                taken += map(to_run, connection.execute(CLAIM_RUN, wanted).fetchall())
            return taken

        # Looking first means that a node with nothing to do never asks for the write lock.
        due = await self._db.query(candidates)
        return await self._db.transact(work) if due else []

    async def next_due(self, *, flows: Collection[str], takes: Takes = ANY) -> int | None:
        def work(connection: sqlite3.Connection) -> int | None:
            shut = full(connection, takes.pools)
            open_to = [flow for flow in flows if flow not in takes.pools or takes.pools[flow].name not in shut]
            row = connection.execute(NEXT_DUE, {"flows": array(open_to), **from_takes(takes)}).fetchone()
            return None if row[0] is None else int(row[0])

        return await self._db.query(work)

    async def requeue(self, run_id: str, *, now: int) -> RunRecord:
        def work(connection: sqlite3.Connection) -> RunRecord:
            run = known_run(connection, run_id)
            if run.state is not RunState.DIVERGED:
                raise RunConflict(
                    f"run {run_id} of flow {run.flow} is {run.state}: only a diverged run can be queued again"
                )
            connection.execute(REQUEUE_RUN, (run.num,))
            return known_run(connection, run_id)

        self._touched = True
        return await self._db.transact(work)

    async def copy_journal(self, source: int, target: int, keys: Collection[str], *, now: int) -> None:
        def work(connection: sqlite3.Connection) -> None:
            run = _one(connection, FIND_RUN_BY_NUM, target)
            if run is None:
                raise UnknownRun(f"no run has the number {target} in this store: create it before copying to it")
            if run.started is not None or run.state is not RunState.QUEUED:
                raise RunConflict(f"run {run.id} of flow {run.flow} has started: copy results to a new run only")
            connection.execute(CLEAR_JOURNAL, (target,))
            connection.execute(COPY_ENTRIES, {"source": source, "target": target, "keys": array(keys)})
            connection.execute(MAKE_DUE, (target,))

        await self._db.transact(work)

    async def children(self, run: int) -> Sequence[RunRecord]:
        return await self._db.query(
            lambda connection: [to_run(row) for row in connection.execute(LIST_CHILDREN, (run,)).fetchall()]
        )

    def changed(self) -> bool:
        # The loop's own connection is the right one to ask: it does not count its own commits, most of which are
        # journal lines that nobody waits for. What another client of this object did is remembered beside it.
        version = int(self._db.connection.execute("PRAGMA data_version").fetchone()[0])
        changed = self._touched or version != self._version
        self._touched, self._version = False, version
        return changed

    def on_change(self, wake: Callable[[], None]) -> Callable[[], None]:
        # A file tells nobody that it was written; nodes in this process tell each other.
        return lambda: None


def known_run(connection: sqlite3.Connection, run_id: str) -> RunRecord:
    """The run of this id. Raises UnknownRun."""
    run = _one(connection, FIND_RUN, run_id)
    if run is None:
        raise UnknownRun(f"no run has the id {run_id!r} in this store: `headrace runs` lists those there are")
    return run


def cancel_run(connection: sqlite3.Connection, run: RunRecord, reason: str, now: int) -> None:
    """Cancel a run, inside a transaction: at once when none of its code would see it, else by asking its owner."""
    request = {"num": run.num, "reason": reason, "now": now}
    if connection.execute(CANCEL_RUN, request).rowcount:
        if run.parent is not None:
            connection.execute(WAKE_RUN, (run.parent,))
        if run.lane is not None:
            connection.execute(LET_GO, (run.lane,))
    elif run.state in (RunState.QUEUED, RunState.WAITING, RunState.RUNNING):
        connection.execute(REQUEST_CANCEL, request)


def _one(connection: sqlite3.Connection, sql: str, value: str | int) -> RunRecord | None:
    row = connection.execute(sql, (value,)).fetchone()
    return None if row is None else to_run(row)
