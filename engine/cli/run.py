"""`headrace run`: one run, in this process."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import options


def run(
    flow: options.Flow,
    parameters: options.Parameters = None,
    id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Name the run: the same id is the same run, started or resumed."),
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Start another run although one like it has not ended.")] = False,
    tag: options.Tags = None,
    store: options.Store = None,
    durability: options.Survives = options.Durability.PROCESS,
    on_divergence: Annotated[
        options.Divergence | None,
        typer.Option(
            "--on-divergence", help="When replay differs from the record: stop, rerun what differs, or reuse."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay, however long the run waits.")] = False,
    progress: Annotated[bool, typer.Option("--progress/--no-progress", help="Show how far it is, on stderr.")] = True,
    json: options.Json = False,
) -> None:
    """Run a flow here, or resume its unfinished run.

    Prints the result as JSON. Without --id, the one unfinished run of this flow with these parameters is resumed.
    Ctrl-C leaves a run that can be resumed, and prints how. A run that only waits, for a signal or for long, is left
    with exit code 3.
    """
    from functools import partial

    from engine import loading
    from engine.cli.board import Board
    from engine.cli.running import Order, begin, perform
    from engine.flow import Call

    texts = options.parameters_of(parameters)
    chosen = loading.choose(flow)
    call = Call(chosen.flow, chosen.flow.parameters.encode(chosen.flow.parameters.bind_text(texts)))
    board = Board()
    order = Order(
        chosen=chosen,
        begin=partial(begin, call=call, id=id, new=new, tags=tag or (), board=board),
        resume=["run", flow, *(parameters or [])],
        store=store,
        durability=durability.value,
        on_divergence=None if on_divergence is None else on_divergence.value,
        progress=progress,
        json=json,
        wait=wait,
        board=board,
    )
    raise typer.Exit(perform(order))
