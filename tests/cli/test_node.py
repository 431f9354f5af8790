"""`serve`, and the commands that talk to a node through its store."""

from __future__ import annotations

import json
import signal

from tests.cli.conftest import Child, Headrace


def test_runs_what_others_submit_and_stops_gracefully(headrace: Headrace, node: Child) -> None:
    done = headrace("start", "flows_here.py:hello", "name=Ada", "--id", "h")
    assert done.out == "h\n"
    assert "No node" not in done.err
    node.until(lambda: headrace.state("h") == "succeeded")
    node.send(signal.SIGTERM)
    assert node.end().code == 0
    assert "stopped" in node.err
    assert "run h of hello is taken up" in node.err
    assert "run h of hello succeeded" in node.err


def test_says_that_triggers_are_not_acted_on(node: Child) -> None:
    assert "flow hourly declares every(1:00:00): nothing acts on triggers yet" in node.err


def test_start_without_a_node_says_how_to_get_one(headrace: Headrace) -> None:
    done = headrace("start", "--file", "flows_here.py", "hello", "--id", "h")
    assert f"serve {headrace.folder / 'flows_here.py'}" in done.err
    again = headrace("start", "flows_here.py:hello", "--id", "h")
    assert again.out == "h\n"
    assert "was there already" in again.err


def test_start_as_json(headrace: Headrace) -> None:
    run = headrace("start", "flows_here.py:hello", "--id", "h", "--json").json
    assert (run["id"], run["state"], run["created_now"]) == ("h", "queued", True)


def test_start_later(headrace: Headrace, node: Child) -> None:
    later = headrace("start", "flows_here.py:hello", "--id", "later", "--in", "1h", "--json").json
    at = headrace("start", "flows_here.py:hello", "--id", "at", "--at", "2001-01-01T00:00+01:00", "--json").json
    assert later["due"] > later["created"]
    assert at["due"] == "2000-12-31T23:00:00Z"
    node.until(lambda: headrace.state("at") == "succeeded")
    assert headrace.state("later") == "queued"
    assert headrace("run", "flows_here.py:hello", "--json").json["id"] not in {"later", "at"}


def test_signal_from_another_process(headrace: Headrace, node: Child) -> None:
    headrace("start", "flows_here.py:asks", "--id", "a")
    node.until(lambda: headrace.state("a") == "waiting")
    sent = headrace("signal", "a", "answer", '"yes"', "--json").json
    assert (sent["id"], sent["signal"], sent["payload"]) == ("a", "answer", "yes")
    node.until(lambda: headrace.state("a") == "succeeded")
    assert headrace("show", "a", "--json").json["result"] == "yes"


def test_a_signal_that_nothing_waits_for_says_what_is_waited_for(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:asks", "--id", "a", code=3)
    assert "nothing waits for it now; what is waited for is 'answer'" in headrace("signal", "a", "anwser", '"yes"').err
    assert "nothing waits" not in headrace("signal", "a", "answer", '"yes"').err


def test_signal_before_the_flow_waits_is_kept(headrace: Headrace, node: Child) -> None:
    headrace("start", "flows_here.py:asks", "--id", "a", "--in", "1s")
    headrace("signal", "a", "answer", '"early"')
    node.until(lambda: headrace.state("a") == "succeeded")


def test_cancel_from_another_process(headrace: Headrace, node: Child) -> None:
    (headrace.folder / "hold-1").touch()
    headrace("start", "flows_here.py:steps", "--id", "s")
    node.until(lambda: "step 1" in headrace.ledger())
    assert "was asked to stop" in headrace("cancel", "s").err
    node.until(lambda: headrace.state("s") == "cancelled")
    assert "is cancelled" in headrace("cancel", "s").err


def test_cancel_of_a_run_that_has_not_started(headrace: Headrace) -> None:
    headrace("start", "flows_here.py:hello", "--id", "h")
    assert headrace("cancel", "h", "--json").json["state"] == "cancelled"


def test_a_stopped_node_releases_its_runs_for_the_next(headrace: Headrace, node: Child) -> None:
    (headrace.folder / "hold-2").touch()
    headrace("start", "flows_here.py:steps", "n=3", "--id", "s")
    node.until(lambda: "step 2" in headrace.ledger())
    node.send(signal.SIGINT)
    node.end()
    assert headrace.state("s") == "queued"
    (headrace.folder / "hold-2").unlink()
    second = headrace.start("serve", ".")
    second.until(lambda: headrace.state("s") == "succeeded")


def test_logs_as_json_carry_run_and_trace(headrace: Headrace) -> None:
    node = headrace.start("serve", "flows_here.py", "--log-format", "json")
    node.until(node.says('"ready"'))
    headrace("start", "flows_here.py:hello", "--id", "h")
    node.until(node.says("succeeded"))
    lines = [json.loads(line) for line in node.err.splitlines()]
    greeting = next(line for line in lines if line["message"] == "greeting world")
    trace = headrace("show", "h", "--json").json["trace_id"]
    assert (greeting["run_id"], greeting["trace_id"], greeting["level"]) == ("h", trace, "INFO")
    end = next(line for line in lines if "succeeded" in line["message"])
    assert end["trace_id"] == trace


def test_tags_choose_flows(headrace: Headrace) -> None:
    node = headrace.start("serve", "flows_here.py", "--flow-tag", "many")
    node.until(node.says("ready"))
    headrace("start", "flows_here.py:steps", "n=1", "--id", "s")
    node.until(lambda: headrace.state("s") == "succeeded")


def test_every_command_works_while_a_node_has_the_store(headrace: Headrace, node: Child) -> None:
    headrace("start", "flows_here.py:fails", "--id", "f")
    node.until(lambda: headrace.state("f") == "failed")
    assert [run["id"] for run in headrace("runs", "--json").lines] == ["f"]
    assert headrace("show", "f", "--trace").out
    assert headrace("logs", "f").code == 0
    (headrace.folder / "mended").touch()
    assert headrace("rerun", "f", "--failed").out == "1\n"
    assert headrace("upgrade-check", "flows_here.py").code == 0
    assert headrace("doctor", "--json").json["ok"]
    assert headrace("prune", "--older-than", "0s", "--json").json == {"pruned": 2}
    assert node.process.poll() is None


def test_doctor_knows_nodes_that_keep_large_results_elsewhere(headrace: Headrace, node: Child) -> None:
    def told(place: str) -> dict[str, str]:
        checks = headrace("doctor", "--json", HEADRACE_BLOBS=place).json["checks"]
        (check,) = [check for check in checks if check["about"] == "large results"]
        return dict(check)

    here = f"{headrace.folder.as_uri()}/state.db.blobs"
    assert told(here) == {"about": "large results", "grade": "ok", "text": f"in {here}"}
    apart = told((headrace.folder / "mine").as_uri())
    assert apart["grade"] == "warn"
    assert "/mine here, in file:///" in apart["text"]
    assert "Set HEADRACE_BLOBS" in apart["text"]
