"""`headrace runs` and `headrace logs`: what there is, line by line."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import options


def runs(
    state: Annotated[
        list[str] | None, typer.Option("--state", metavar="STATE", help="queued, running, waiting, …; may be repeated.")
    ] = None,
    flow: Annotated[str | None, typer.Option("--flow", metavar="FLOW", help="Only runs of this flow.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Only runs with this tag.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")] = 20,
    before: Annotated[
        str | None, typer.Option("--before", metavar="ID", help="Only runs older than this one: the next page.")
    ] = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """List runs, newest first.

    With --json, one object a line.
    """
    from engine.cli.listing import Filter, list_runs
    from engine.cli.opening import go

    go(list_runs(Filter(state or [], flow, tag, limit, before), store, json))


def logs(
    id: options.Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Print what a run and its children logged.

    With --json, one object a line.
    """
    from engine.cli.listing import print_logs
    from engine.cli.opening import go

    go(print_logs(id, store, follow=follow, as_json=json))
