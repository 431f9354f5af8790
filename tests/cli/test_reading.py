"""`runs`, `show`, `logs`, `rerun`, `upgrade-check`, `doctor`, `prune`, `init`, and how files are loaded."""

from __future__ import annotations

import signal
import socket

import pytest

from tests.cli.conftest import Headrace
from tests.support.otlp import Receiver, Reply


def test_runs_lists_newest_first_and_pages(headrace: Headrace) -> None:
    for name in ("a", "b", "c"):
        headrace("run", "flows_here.py:hello", f"name={name}", "--id", name, "--tag", f"tag-{name}")
    headrace("run", "flows_here.py:fails", "--id", "f", code=1)

    def ids(*words: str) -> list[str]:
        return [run["id"] for run in headrace("runs", "--json", *words).lines]

    assert ids() == ["f", "c", "b", "a"]
    assert ids("--limit", "2") == ["f", "c"]
    assert ids("--before", "c") == ["b", "a"]
    assert ids("--flow", "hello") == ["c", "b", "a"]
    assert ids("--state", "failed") == ["f"]
    assert ids("--state", "failed,succeeded", "--tag", "tag-b") == ["b"]
    table = headrace("runs").out.splitlines()
    assert table[0].split() == ["ID", "FLOW", "STATE", "STARTED", "TOOK"]
    assert "ValueError: no 1" in table[1]


def test_runs_where_nothing_has_been_run(headrace: Headrace) -> None:
    done = headrace("runs", "--json")
    assert done.out == ""
    assert "nothing has been run there yet" in done.err
    assert not (headrace.folder / "state.db").exists()


def test_show(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:fails", "--id", "f", code=1)
    page = headrace("show", "f").out
    for text in ('{"n":1}', "failed", "ValueError: no 1", "shaky", "step"):
        assert text in page
    assert "performing.py" not in page
    run = headrace("show", "f", "--json", "--journal", "--trace").json
    counts = {task["name"]: (task["done"], task["failed"], task["retried"]) for task in run["tasks"]}
    assert counts == {"step": (1, 0, 0), "shaky": (0, 1, 1)}
    assert [line["kind"] for line in run["journal"] if line["name"] == "shaky"][-1] == "task"
    assert any("task shaky" in line for line in run["trace"])


def test_show_tells_crashes_of_a_run_that_has_ended(headrace: Headrace) -> None:
    (headrace.folder / "hold-1").touch()
    child = headrace.start("run", "flows_here.py:steps", "n=3", "--id", "crashed")
    child.until(lambda: "step 1" in headrace.ledger())
    child.send(signal.SIGKILL)
    child.end()
    (headrace.folder / "hold-1").unlink()
    headrace("run", "flows_here.py:steps", "n=3", "--id", "crashed")
    shown = headrace("show", "crashed").out
    assert "succeeded" in shown
    assert "1 before it ended" in shown
    assert "since its last progress" not in shown


def test_show_trace_and_journal_as_text(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:hello", "--id", "h")
    tree = headrace("show", "h", "--trace").out.splitlines()
    assert tree[0].startswith("flow hello")
    assert "task greet" in tree[-1]
    journal = headrace("show", "h", "--journal").out
    assert 'greet(name="world")' in journal


def test_show_tells_what_a_run_waits_for(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:asks", "--id", "a", code=3)
    assert "the signal 'answer' until" in headrace("show", "a").out
    (wait,) = headrace("show", "a", "--json").json["waits_for"]
    assert (wait["kind"], wait["name"]) == ("signal", "answer")
    assert wait["until"].endswith("Z")


def test_show_names_children_and_parent(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:parent", "--id", "p")
    (child,) = headrace("show", "p", "--json").json["children"]
    assert child in headrace("show", "p").out
    assert "parent      p" in headrace("show", child).out


def test_logs_of_a_run_and_its_children(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:hello", "--id", "h")
    assert "greeting world" in headrace("logs", "h").out
    (line,) = headrace("logs", "h", "--json").lines
    trace = headrace("show", "h", "--json").json["trace_id"]
    assert (line["message"], line["level"], line["run_id"], line["trace_id"]) == ("greeting world", "INFO", "h", trace)


def test_logs_tell_why_an_attempt_failed(headrace: Headrace) -> None:
    ran = headrace("run", "flows_here.py:fails", "--id", "f", code=1)
    assert ran.err.count("attempt 1 failed: ValueError") == 1, "the command tells it itself"
    (line,) = [line for line in headrace("logs", "f", "--json").lines if "attempt" in line["message"]]
    assert line["message"].startswith("attempt 1 of shaky failed: ValueError: no 1; tried again in ")
    assert (line["level"], line["task"]) == ("WARNING", "shaky")


def test_logs_follow_until_the_end(headrace: Headrace) -> None:
    (headrace.folder / "hold-1").touch()
    run = headrace.start("run", "flows_here.py:parent", "--id", "p")
    run.until(lambda: "step 1" in headrace.ledger())
    logs = headrace.start("logs", "p", "--follow")
    logs.until(lambda: "asking a child" in (headrace.folder / ".out-1").read_text())
    (headrace.folder / "hold-1").unlink()
    assert logs.end().code == 0
    assert run.end().code == 0


def test_rerun_of_what_failed_keeps_the_rest(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:fails", "--id", "f", code=1)
    (headrace.folder / "mended").touch()
    done = headrace("rerun", "f", "--failed", "--id", "g")
    assert done.out == "1\n"
    assert "g of fails is a rerun of f" in done.err
    assert headrace.ledger() == ["step 1", "shaky 1"]
    assert headrace("show", "g", "--json").json["rerun_of"] == "f"


def test_rerun_from_a_task_and_from_the_beginning(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:steps", "n=3", "--id", "s")
    headrace("rerun", "s")
    assert headrace.ledger() == ["step 0", "step 1", "step 2"] * 2
    headrace("run", "flows_here.py:fails", "--id", "f", code=1)
    (headrace.folder / "mended").touch()
    assert headrace("rerun", "f", "--from", "shaky", "--json").json["result"] == 1
    assert headrace.ledger()[6:] == ["step 1", "shaky 1"]


def test_rerun_needs_the_file_where_it_is_now(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:hello", "--id", "h")
    (headrace.folder / "flows_here.py").rename(headrace.folder / "moved.py")
    assert "--file" in headrace("rerun", "h", code=2).err
    assert headrace("rerun", "h", "--file", "moved.py").out == '"Hello, world!"\n'


def test_rerun_of_a_run_under_way_is_refused(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:asks", "--id", "a", code=3)
    assert "only a run that has ended" in headrace("rerun", "a", code=2).err


def test_upgrade_check(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:asks", "--id", "a", code=3)
    headrace("run", "flows_here.py:naps", "seconds=9999", "--id", "n", code=3)
    same = headrace("upgrade-check", "flows_here.py", "--json").lines
    assert [(line["id"], line["outcome"]) for line in same] == [("a", "same"), ("n", "same")]
    code = headrace.folder / "flows_here.py"
    code.write_text(code.read_text().replace("await greet(question)", "await greet(question.upper())"))
    done = headrace("upgrade-check", ".", code=5)
    assert '+ now asks: greet(name="MAY I")' in done.out
    assert "1 would go on as recorded, 1 would diverge" in done.err
    headrace.edit("await greet(question.upper())", "pass")
    done = headrace("upgrade-check", ".")
    assert 'has not asked for what was recorded: greet(name="may I")' in done.out
    assert "1 would go on as recorded, 1 would go on without all that is recorded" in done.err
    assert headrace.state("a") == "waiting"
    assert headrace.ledger() == ["greet may I"]


def test_prune(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:hello", "--id", "h")
    assert headrace("prune", "--older-than", "1h", "--json").json == {"pruned": 0}
    assert headrace("prune", "--older-than", "0s", "--json").json == {"pruned": 1}
    assert headrace("runs", "--json").lines == []


def test_doctor_of_a_healthy_place(headrace: Headrace) -> None:
    before = headrace("doctor", "--json").json
    assert before["ok"]
    headrace("run", "flows_here.py:asks", code=3)
    done = headrace("doctor")
    assert all(line.startswith("ok ") for line in done.out.splitlines())
    assert "unfinished: 1 waiting" in done.out
    assert "as HEADRACE_STORE says" in done.out


def test_doctor_says_where_the_store_lies_and_why(headrace: Headrace) -> None:
    def place() -> str:
        checks = headrace("doctor", "--json", HEADRACE_STORE="").json["checks"]
        return next(str(check["text"]) for check in checks if check["about"] == "place")

    assert str(headrace.folder / ".headrace" / "headrace.db") in place()
    assert "no pyproject.toml" in place()
    (headrace.folder / "pyproject.toml").touch()
    assert "marks the project" in place()


def test_doctor_of_a_store_that_cannot_be_used(headrace: Headrace) -> None:
    (headrace.folder / "state.db").write_text("no database at all, but long enough to look like one" * 10)
    done = headrace("doctor", "--json", code=6)
    assert not done.json["ok"]
    assert "is not a Headrace store" in done.out


def test_doctor_reaches_for_the_trace_backend(headrace: Headrace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = headrace("doctor", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
        assert f"http://127.0.0.1:{port}/v1/traces answers" in done.out
    gone = headrace("doctor", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
    assert "cannot be reached" in gone.out
    assert "their spans are kept" in gone.out
    assert "is no OTLP/HTTP endpoint" in headrace("doctor", OTEL_EXPORTER_OTLP_ENDPOINT="ftp://x", code=1).out


@pytest.mark.parametrize("where", ["", "fresh", "fresh/first.py"])
def test_init_writes_a_flow_that_runs(headrace: Headrace, where: str) -> None:
    (headrace.folder / "hello.py").unlink(missing_ok=True)
    file = headrace("init", *([where] if where else [])).out.strip()
    assert len((headrace.folder / file).read_text().splitlines()) <= 15
    assert headrace("run", file, "name=Ada").out == '"Hello, Ada!"\n'
    assert "is there already" in headrace("init", file, code=2).err


def test_loads_a_package_under_its_own_name(headrace: Headrace) -> None:
    package = headrace.folder / "orders"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "errors.py").write_text("class NoStock(Exception): ...\n")
    headrace.write(
        "orders/ship.py",
        """
        from engine import flow, task
        from orders.errors import NoStock


        @task
        async def pick() -> None:
            raise NoStock('none')


        @flow
        async def ship() -> str:
            try:
                await pick()
            except NoStock as error:
                return str(error)
            return 'shipped'
        """,
    )
    assert headrace("run", "orders/ship.py").out == '"none"\n'
    assert headrace("run", "orders:ship", "--new").out == '"none"\n'


def test_exceptions_of_the_file_are_found_again_after_a_kill(headrace: Headrace) -> None:
    headrace.write(
        "own.py",
        """
        from engine import flow, task, wait_for


        class Own(Exception): ...


        @task
        async def raises() -> None:
            raise Own('mine')


        @flow
        async def f() -> str:
            try:
                await raises()
            except Own as error:
                await wait_for('go')
                return repr(error)
            return 'nothing raised'
        """,
    )
    headrace("run", "own.py", "--id", "o", code=3)
    headrace("signal", "o", "go")
    assert headrace("run", "own.py", "--id", "o").out == "\"Own('mine')\"\n"


def test_what_an_earlier_run_could_not_send_is_not_counted_as_this_one_s(headrace: Headrace) -> None:
    with Receiver() as receiver:
        to = receiver.environment["OTEL_EXPORTER_OTLP_ENDPOINT"]
        receiver.usual = Reply(400)
        headrace("run", "flows_here.py:steps", "n=2", "--id", "a", OTEL_EXPORTER_OTLP_ENDPOINT=to)
        receiver.usual = Reply()
        done = headrace("run", "flows_here.py:steps", "n=2", "--id", "b", OTEL_EXPORTER_OTLP_ENDPOINT=to)
        assert "run b of steps succeeded" in done.err
        assert ": 2 tasks" in done.err
        assert len({span.trace for span in receiver.spans}) == 2
