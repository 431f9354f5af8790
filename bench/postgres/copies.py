"""Many runs at little cost: one real run of a store, copied with its journal by SQL."""

from __future__ import annotations

from collections.abc import Mapping

from bench.postgres.server import ask, do, schema_of

CHUNK = 50_000


def copy_run(store: str, count: int, changed: Mapping[str, str], *, journal: bool) -> None:
    """Copy the first run of a store `count` times. `changed` has SQL for columns, in which `made.n` counts from 1."""
    first, last = ask(store, "SELECT min(num), max(num) FROM headrace.run")[0]
    runs = _copy(store, "run", {"num": f"{last} + made.n", "trace": "md5(made.n::text)", **changed}, f"num = {first}")
    lines = _copy(store, "journal", {"run": f"{last} + made.n"}, f"run = {first}")
    for begin in range(1, count + 1, CHUNK):
        made = f"(SELECT generate_series({begin}, {min(begin + CHUNK - 1, count)}) AS n) AS made"
        for statement in (runs, lines) if journal else (runs,):
            do(store, statement.replace("made_rows", made))
    where = schema_of(store)
    do(store, f"SELECT setval(pg_get_serial_sequence('{where}.run', 'num'), (SELECT max(num) FROM headrace.run))")
    do(store, "VACUUM (ANALYZE) headrace.run")
    do(store, "VACUUM (ANALYZE) headrace.journal")


def _copy(store: str, table: str, changed: Mapping[str, str], which: str) -> str:
    query = (
        "SELECT column_name FROM information_schema.columns"
        f" WHERE table_schema = $schema AND table_name = '{table}' ORDER BY ordinal_position"
    )
    columns = [column for (column,) in ask(store, query)]
    values = [changed.get(column) or f"{table}.{column}" for column in columns]
    return (
        f"INSERT INTO headrace.{table} ({', '.join(columns)}) OVERRIDING SYSTEM VALUE "
        f"SELECT {', '.join(values)} FROM made_rows, headrace.{table} WHERE {which}"
    )
