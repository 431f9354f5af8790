"""Leaving memory: what arrives in the same moment must not be lost with it."""

from __future__ import annotations

from engine import flow, testing, wait_for


@flow
async def approval() -> int:
    return await wait_for("go", int)


async def test_a_signal_that_comes_as_the_run_leaves_is_not_lost() -> None:
    async with testing.engine(flows=[approval]) as engine:
        run = await engine.start(approval.bind())
        await engine.settle()
        session = engine.node.sessions[run.num]
        await engine.store.signal(run.id, "go", b"7", now=engine.clock.now())
        await engine.node.look()  # the flow has been given its signal, and gets to it in the next pass of the loop
        engine.node._park(session)  # the linger is over in this pass
        assert await run.result() == 7
