"""`headrace run`: its result on stdout, a run by its id, a store of each kind."""

from __future__ import annotations

from tests.cli.conftest import Headrace


def test_result_on_stdout_and_everything_else_on_stderr(headrace: Headrace) -> None:
    done = headrace("run", "flows_here.py:hello", "name=Ada")
    assert done.out == '"Hello, Ada!"\n'
    assert "started" in done.err
    assert "succeeded" in done.err


def test_json_has_the_whole_run(headrace: Headrace) -> None:
    run = headrace("run", "flows_here.py:hello", "--id", "h", "--json", "--tag", "mine").json
    assert run["id"] == "h"
    assert run["state"] == "succeeded"
    assert run["params"] == {"name": "world"}
    assert run["result"] == "Hello, world!"
    assert run["tags"] == ["mine"]
    assert run["error"] is None
    assert {"flow", "created", "started", "ended", "due", "trace_id", "rerun_of", "cancel"} <= run.keys()


def test_finished_id_prints_its_stored_result(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:hello", "--id", "h")
    again = headrace("run", "flows_here.py:hello", "--id", "h")
    assert again.out == '"Hello, world!"\n'
    assert "has ended already" in again.err
    assert headrace.ledger() == ["greet world"]


def test_id_with_other_parameters_is_an_error(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:hello", "--id", "h")
    done = headrace("run", "flows_here.py:hello", "name=Ada", "--id", "h", code=2)
    assert 'was started with name="world", not with name="Ada"' in done.err


def test_new_starts_another_one(headrace: Headrace) -> None:
    first = headrace("run", "flows_here.py:asks", "--json", code=3).json
    second = headrace("run", "flows_here.py:asks", "--new", "--json", code=3).json
    assert first["id"] != second["id"]
    done = headrace("run", "flows_here.py:asks", code=2)
    assert first["id"] in done.err
    assert "--new" in done.err


def test_two_runs_at_once_on_one_store(headrace: Headrace) -> None:
    children = [headrace.start("run", "flows_here.py:steps", f"n={n}", "--durability", "power") for n in (20, 30)]
    assert [child.end().out for child in children] == [f"{list(range(n))}\n".replace(" ", "") for n in (20, 30)]


def test_memory_store_runs_and_is_forgotten(headrace: Headrace) -> None:
    assert headrace("run", "flows_here.py:hello", "--store", "memory://").out == '"Hello, world!"\n'
    assert not (headrace.folder / "state.db").exists()


def test_large_result_comes_from_the_blob_store(headrace: Headrace) -> None:
    headrace.write(
        "large.py",
        """
        from engine import flow


        @flow
        async def large() -> str:
            return 'x' * 100_000
        """,
    )
    assert headrace("run", "large.py", "--id", "l").out == f'"{"x" * 100_000}"\n'
    assert headrace("show", "l", "--json").json["result"] == "x" * 100_000
