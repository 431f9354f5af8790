"""`headrace run` on a run that another process began: resumed after a kill, followed while that one lives."""

from __future__ import annotations

import signal

from tests.cli.conftest import Child, Done, Headrace


def killed_and_again(headrace: Headrace, flow: str, at: int) -> Done:
    """The command that is killed within this step, given once more."""
    (headrace.folder / f"hold-{at}").touch()
    child = headrace.start("run", f"flows_here.py:{flow}")
    child.until(lambda: f"step {at}" in headrace.ledger())
    child.send(signal.SIGKILL)
    child.end()
    (headrace.folder / f"hold-{at}").unlink()
    return headrace("run", f"flows_here.py:{flow}")


def test_a_kill_is_resumed_by_the_same_command(headrace: Headrace) -> None:
    done = killed_and_again(headrace, "steps", at=3)
    assert done.out == "[0,1,2,3,4]\n"
    assert "is resumed: 3 results recorded" in done.err
    assert headrace.ledger() == ["step 0", "step 1", "step 2", "step 3", "step 3", "step 4"]


def test_children_of_a_killed_run_are_resumed_with_it(headrace: Headrace) -> None:
    assert killed_and_again(headrace, "parent", at=1).out == "1\n"
    assert headrace.ledger() == ["step 0", "step 1", "step 1"]


def followed(headrace: Headrace, node: Child) -> Child:
    """A command that follows a run of the node's, which stands within its step 2."""
    (headrace.folder / "hold-2").touch()
    headrace("start", "flows_here.py:steps", "n=4", "--id", "s")
    node.until(lambda: "step 2" in headrace.ledger())
    follower = headrace.start("run", "flows_here.py:steps", "n=4", "--id", "s")
    follower.until(follower.says("followed from here"))
    return follower


def test_a_run_that_a_node_owns_is_followed(headrace: Headrace, node: Child) -> None:
    follower = followed(headrace, node)
    (headrace.folder / "hold-2").unlink()
    assert follower.end().out == "[0,1,2,3]\n"
    assert headrace.ledger() == ["step 0", "step 1", "step 2", "step 3"]


def test_follower_takes_over_when_the_owner_dies(headrace: Headrace) -> None:
    (headrace.folder / "hold-2").touch()
    first = headrace.start("run", "flows_here.py:steps", "n=4", "--id", "s")
    first.until(lambda: "step 2" in headrace.ledger())
    second = headrace.start("run", "flows_here.py:steps", "n=4")
    second.until(second.says("followed from here"))
    (headrace.folder / "hold-2").unlink()
    first.send(signal.SIGKILL)
    assert second.end().out == "[0,1,2,3]\n"


def test_leaving_a_followed_run_does_not_stop_it(headrace: Headrace, node: Child) -> None:
    follower = followed(headrace, node)
    follower.send(signal.SIGINT)
    done = follower.end()
    assert done.code == 130
    assert "goes on in another process" in done.err
    (headrace.folder / "hold-2").unlink()
    node.until(lambda: headrace.state("s") == "succeeded")
