"""Priorities, queues and tags on the command line, and a run that no node takes."""

from __future__ import annotations

from tests.cli.conftest import Headrace


def test_a_node_takes_its_queues_and_what_requires_its_tags(headrace: Headrace) -> None:
    node = headrace.start("serve", "flows_here.py", "--queue", "mail,reports", "--tag", "eu")
    node.until(node.says("ready"))
    assert "takes runs of the queues mail, reports" in node.err
    headrace("start", "flows_here.py:hello", "--id", "left")
    headrace("start", "flows_here.py:hello", "--id", "far", "--queue", "mail", "--requires", "gpu")
    headrace("start", "flows_here.py:hello", "--id", "taken", "--queue", "mail", "--requires", "eu")
    node.until(lambda: headrace.state("taken") == "succeeded")
    assert (headrace.state("left"), headrace.state("far")) == ("queued", "queued")
    lines = {run["id"]: run["wanting"] for run in headrace("runs", "--json").lines}
    assert lines == {
        "left": "a node that has hello and takes the queue default",
        "far": "a node that has hello and the tags gpu",
        "taken": None,
    }
    assert "for a node that has hello and the tags gpu" in headrace("runs").out
    assert "a node that has hello and the tags gpu" in headrace("show", "far").out
    told = headrace("doctor").out
    assert "1,000 runs at once, queues mail, reports, tags eu" in told
    assert "1 wait for a node that has hello and takes the queue default" in told


def test_start_tells_which_node_would_take_the_run(headrace: Headrace) -> None:
    asked = ("--queue", "mail", "--requires", "eu", "--requires", "gpu", "--priority", "8")
    started = headrace("start", "flows_here.py:hello", "--id", "h", "--json", *asked)
    run = started.json
    assert (run["queue"], run["requires"], run["priority"]) == ("mail", ["eu", "gpu"], 8)
    assert "waits for a node that has the flow hello" in started.err
    assert "--queue mail --tag eu --tag gpu" in started.err
    shown = headrace("show", "h").out
    assert all(word in shown for word in ("queue", "mail", "requires", "eu, gpu", "priority", "8"))


def test_a_run_that_is_named_here_goes_whatever_it_requires(headrace: Headrace) -> None:
    headrace("start", "flows_here.py:hello", "--id", "h", "--requires", "gpu")
    assert headrace("run", "flows_here.py:hello", "--id", "h").code == 0


def test_a_flow_that_no_node_has_is_told(headrace: Headrace) -> None:
    headrace.write("other.py", "from engine import flow\n\n\n@flow\nasync def lonely() -> None:\n    return\n")
    node = headrace.start("serve", "flows_here.py")
    node.until(node.says("ready"))
    headrace("start", "other.py:lonely", "--id", "alone")
    assert "for a node that has the flow lonely" in headrace("runs").out
    assert "1 wait for a node that has the flow lonely" in headrace("doctor").out


def test_bad_priorities_are_refused(headrace: Headrace) -> None:
    assert "9" in headrace("start", "flows_here.py:hello", "--priority", "10", code=2).err
    assert "name of a queue" in headrace("start", "flows_here.py:hello", "--queue", "a,b", code=2).err


ONE_AT_A_TIME = """\
from engine import flow, wait_for


@flow(singleton="skip")
async def alone(n: int = 0) -> int:
    return n + await wait_for("go", int)


@flow(lane=lambda customer: customer)
async def bill(customer: str) -> None:
    await wait_for("go", int)
"""


def test_a_singleton_that_is_there_is_told(headrace: Headrace) -> None:
    headrace.write("single.py", ONE_AT_A_TIME)
    headrace("start", "single.py:alone", "--id", "first")
    second = headrace("start", "single.py:alone", "n=1", "--id", "second", "--json")
    assert (second.json["id"], second.json["created_now"], second.json["skipped"]) == ("first", False, True)
    assert "skipped: alone is a singleton, and this run of it is queued" in second.err


def test_a_run_that_waits_for_its_turn_says_so(headrace: Headrace) -> None:
    headrace.write("single.py", ONE_AT_A_TIME)
    for name in ("a", "b"):
        headrace("start", "single.py:bill", "customer=ann", "--id", name)
    assert [(run["id"], run["held"]) for run in headrace("runs", "--json").lines] == [("b", True), ("a", False)]
    assert "for its turn in the lane bill:ann" in headrace("runs").out
    assert "its turn in the lane" in headrace("show", "b").out
