"""Runs on PostgreSQL: created, put into lanes, queued again, cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar

from engine.model.errors import RunConflict, StoreError, UnknownRun
from engine.model.run import NewRun, RunRecord, RunState
from engine.stores.parents import check_parent
from engine.stores.postgres.claims import PostgresClaims
from engine.stores.postgres.connect import Connection, Row
from engine.stores.postgres.errors import UNIQUE_VIOLATION, code_of
from engine.stores.postgres.message import Statement, apart, rows_of, send
from engine.stores.postgres.rows import from_new_run, to_run
from engine.stores.postgres.statements import statement

T = TypeVar("T")

INSERT_RUN = statement("insert_run")
FIND_RUN = statement("find_run")
FIND_RUN_BY_NUM = statement("find_run_by_num")
HOLD_RUN_BY_NUM = statement("hold_run_by_num")
REQUEUE_RUN = statement("requeue_run")
CLEAR_COPIES = statement("clear_copies")
COPY_ENTRIES = statement("copy_entries")
MAKE_DUE = statement("make_due")
LIST_CHILDREN = statement("list_children")
ENTER_LANE = statement("enter_lane")
FIND_IN_LANE = statement("find_in_lane")
LOCK_LANE = statement("lock_lane")
CANCEL_LANE = statement("cancel_lane")
LET_GO = statement("let_go")
LOCK_FAMILY = statement("lock_family")
CANCEL_RUN = statement("cancel_run")
REQUEST_CANCEL = statement("request_cancel")
WAKE_PARENT = statement("wake_parent")


class PostgresRuns(PostgresClaims):
    """Satisfies `ports.runs.Runs`, together with `PostgresInbox`."""

    async def create(self, run: NewRun) -> tuple[RunRecord, bool]:
        attempts = 0
        word = self._bell.word() if run.lane is None else None

        async def alone(connection: Connection) -> tuple[RunRecord, bool] | None:
            nonlocal attempts
            attempts += 1
            row = await connection.fetchrow(self._db.sql(INSERT_RUN), *_inserted(run, word))
            return await self._known_as(connection, run, attempts) if row is None else (to_run(row), True)

        async def by_message(connection: Connection, _: bool) -> tuple[RunRecord, bool] | None:
            nonlocal attempts
            attempts += 1
            entering = [] if run.lane is None else [(ENTER_LANE, (self._db.address.schema, run.lane))]
            room = _making_room(run) if run.lane is not None and run.occupied == "replace" else ()
            inserting = (INSERT_RUN, _inserted(run, word))
            made = rows_of(await send(connection, self._db.door, *entering, *room, inserting)) > 0
            async with apart(connection, self._db.door):
                return await self._known_as(connection, run, attempts, made=made)

        made: tuple[RunRecord, bool] | None = None
        while made is None:
            at_once = run.lane is None and not self._db.door.pooled
            made = await (self._db.query(alone) if at_once else self._in_lane(by_message))
        if made[1]:
            self._bell.touched(rung=word is not None)
        return made

    async def _in_lane(self, work: Callable[[Connection, bool], Awaitable[T]]) -> T:
        """Do work that gives a run its turn or lets it wait, anew when the turn passes on meanwhile."""
        while True:
            try:
                return await self._db.converse(work)
            except StoreError as error:
                if error.__cause__ is None or code_of(error.__cause__) != UNIQUE_VIOLATION:
                    raise

    async def _known_as(
        self, connection: Connection, run: NewRun, attempts: int, *, made: bool = False
    ) -> tuple[RunRecord, bool] | None:
        """The run that answers a start which has made one, or found that it may not."""
        row = await connection.fetchrow(self._db.sql(FIND_RUN), run.id)
        if row is not None:
            # An attempt whose answer was lost may have made it: its trace was drawn for it alone.
            ours = attempts > 1 and (row["trace"], row["created"]) == (run.trace, run.created)
            return to_run(row), made or ours
        if run.occupied == "skip" and run.lane is not None:
            before = await connection.fetch(self._db.sql(FIND_IN_LANE), run.lane)
            if before:
                return to_run(before[0]), False
        if run.parent is not None:
            parent = await connection.fetchrow(self._db.sql(FIND_RUN_BY_NUM), run.parent)
            check_parent(run, None if parent is None else to_run(parent))
        return None  # ended or forgotten just now: there is room again

    async def find(self, run_id: str) -> RunRecord | None:
        return await self._find(FIND_RUN, run_id)

    async def find_num(self, num: int) -> RunRecord | None:
        return await self._find(FIND_RUN_BY_NUM, num)

    async def _find(self, text: str, value: str | int) -> RunRecord | None:
        sql = self._db.sql(text)

        async def work(connection: Connection) -> RunRecord | None:
            row = await connection.fetchrow(sql, value)
            return None if row is None else to_run(row)

        return await self._db.query(work)

    async def requeue(self, run_id: str, *, now: int) -> RunRecord:
        async def work(connection: Connection, again: bool) -> RunRecord:
            async with apart(connection, self._db.door):
                lane = (await self._known(connection, run_id)).lane
            entering = [] if lane is None else [(ENTER_LANE, (self._db.address.schema, lane))]
            queued = rows_of(await send(connection, self._db.door, *entering, (REQUEUE_RUN, (run_id, lane)))) > 0
            async with apart(connection, self._db.door):
                run = await self._known(connection, run_id)
            if not queued and (run.state is RunState.DIVERGED or not again):  # else a lost attempt may have done it
                raise RunConflict(
                    f"run {run_id} of flow {run.flow} is {run.state}: only a diverged run can be queued again"
                )
            return run

        run = await self._in_lane(work)
        self._bell.touched()
        return run

    async def copy_journal(self, source: int, target: int, keys: Collection[str], *, now: int) -> None:
        statements = (
            (HOLD_RUN_BY_NUM, (target,)),
            (CLEAR_COPIES, (target,)),
            (COPY_ENTRIES, (source, target, [*keys])),
            (MAKE_DUE, (target,)),
        )

        async def work(connection: Connection, again: bool) -> None:
            if rows_of(await send(connection, self._db.door, *statements)):
                return
            async with apart(connection, self._db.door):
                row = await connection.fetchrow(self._db.sql(FIND_RUN_BY_NUM), target)
            if row is None:
                raise UnknownRun(f"no run has the number {target} in this store: create it before copying to it")
            if not again:  # else it has started with its lines: it was the copy that made it due
                run = to_run(row)
                raise RunConflict(f"run {run.id} of flow {run.flow} has started: copy results to a new run only")

        await self._db.converse(work)
        self._bell.touched()

    async def children(self, run: int) -> Sequence[RunRecord]:
        sql = self._db.sql(LIST_CHILDREN)

        async def work(connection: Connection) -> list[RunRecord]:
            return [to_run(row) for row in await connection.fetch(sql, run)]

        return await self._db.query(work)

    def changed(self) -> bool:
        return self._bell.heard()

    def on_change(self, wake: Callable[[], None]) -> Callable[[], None]:
        return self._bell.listeners.add(wake)

    async def _known(self, connection: Connection, run_id: str) -> RunRecord:
        return _known(await connection.fetchrow(self._db.sql(FIND_RUN), run_id), run_id)


def cancelling(run: RunRecord, reason: str, now: int) -> Sequence[Statement]:
    """How a run is cancelled: at once when none of its code would see it, else by asking its owner."""
    return (
        (LOCK_FAMILY, (run.id,)),
        (CANCEL_RUN, (run.num, reason, now)),
        (WAKE_PARENT, (run.num,)),
        *([] if run.lane is None else [(LET_GO, ([run.lane],))]),
        (REQUEST_CANCEL, (run.num, reason)),
    )


def _making_room(run: NewRun) -> Sequence[Statement]:
    """How a run that replaces cancels those before it in its lane."""
    return (
        (LOCK_LANE, (run.lane, run.parent)),
        (CANCEL_LANE, (run.lane, run.id, f"replaced by run {run.id}", run.created, run.parent, run.parent_epoch)),
        (LET_GO, ([run.lane],)),
    )


def _inserted(run: NewRun, word: tuple[str, str] | None = None) -> Sequence[object]:
    """The parameters of `insert_run.sql`."""
    return (*from_new_run(run), run.occupied, *(word or (None, None)), run.parent_epoch)


def _known(row: Row | None, run_id: str) -> RunRecord:
    if row is None:
        raise UnknownRun(f"no run has the id {run_id!r} in this store: `headrace runs` lists those there are")
    return to_run(row)
