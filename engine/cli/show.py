"""`headrace show`: one run, in detail."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import options


def show(
    id: options.Run,
    trace: Annotated[bool, typer.Option("--trace", help="Its spans as a tree; no trace backend is needed.")] = False,
    journal: Annotated[bool, typer.Option("--journal", help="Every line of its journal.")] = False,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Show one run in detail.

    Parameters, state, times, tasks, what it waits for, how it ended.
    """
    from engine.cli.opening import go
    from engine.cli.showing import show_run

    go(show_run(id, store, trace=trace, journal=journal, as_json=json))
