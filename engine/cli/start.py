"""`headrace start`: submit a run to whatever node serves its flow."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import options


def start(
    flow: Annotated[str, typer.Argument(metavar="FILE:FLOW", help="The flow; its name alone with --file.")],
    parameters: options.Parameters = None,
    id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Name the run: the same id is the same run.")
    ] = None,
    file: Annotated[str | None, typer.Option("--file", metavar="FILE", help="Where the flow is declared.")] = None,
    delay: Annotated[
        str | None, typer.Option("--in", metavar="DURATION", help="Start later: 90s, 10m, 1h30m, 2d.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Start at an ISO time, local unless it says.")
    ] = None,
    tag: options.Tags = None,
    queue: options.Queue = None,
    priority: options.Priority = None,
    requires: options.Requires = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Submit a run, for a node to run.

    Prints its id; the run is on disk by then.
    """
    from engine.cli.opening import go
    from engine.cli.starting import Submission, submit

    submission = Submission(
        target=flow if file is None else f"{file}:{flow}",
        texts=options.parameters_of(parameters),
        id=id,
        delay=delay,
        at=at,
        tags=tag or [],
        queue=queue,
        priority=priority,
        requires=requires or [],
        store=store,
        json=json,
    )
    go(submit(submission))
