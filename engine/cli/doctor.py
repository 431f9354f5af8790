"""`headrace doctor`: what is in order here, and what is not."""

from __future__ import annotations

import typer

from engine.cli import options


def doctor(store: options.Store = None, json: options.Json = False) -> None:
    """Look whether everything is in order here.

    Each line says ok, warn or fail, and what to do. Exit code 6 when the store cannot be used.
    """
    from engine.cli.examining import examine
    from engine.cli.opening import go

    raise typer.Exit(go(examine(store, as_json=json)))
