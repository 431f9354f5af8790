"""`headrace cancel`, `signal` and `prune`: changing what is in the store."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import options


def cancel(
    id: options.Run,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Kept with the run.")
    ] = "cancelled from the command line",
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Ask a run to stop. Its code sees asyncio.CancelledError, its children are cancelled as well."""
    from engine.cli.acting import cancel_run
    from engine.cli.opening import go

    go(cancel_run(id, reason, store, as_json=json))


def signal(
    id: options.Run,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the flow waits for: `await wait_for(NAME)`.")],
    payload: Annotated[str, typer.Argument(metavar="[JSON]", help="Its payload; null by default.")] = "null",
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Send a signal to a run. One that comes before the flow waits for it is kept."""
    from engine.cli.acting import send_signal
    from engine.cli.opening import go

    go(send_signal(id, name, payload, store, as_json=json))


def prune(
    older_than: Annotated[str, typer.Option("--older-than", metavar="DURATION", help="Since they ended: 30d, 12h.")],
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Forget runs that ended long ago.

    Their journals, logs and large results go with them.
    """
    from engine.cli.acting import prune_runs
    from engine.cli.opening import go

    go(prune_runs(older_than, store, as_json=json))
