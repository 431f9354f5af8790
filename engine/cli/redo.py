"""`headrace rerun` and `headrace upgrade-check`: runs on the code as it is now."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import options


def rerun(
    id: options.Run,
    from_task: Annotated[
        str | None,
        typer.Option("--from", metavar="TASK", help="Keep what was recorded before this task, child or signal."),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Keep every result that stands; run only what failed.")
    ] = False,
    new_id: Annotated[str | None, typer.Option("--id", metavar="NEW", help="The id of the new run.")] = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="Where the flow is declared now, if it has moved.")
    ] = None,
    store: options.Store = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay, however long the run waits.")] = False,
    progress: Annotated[bool, typer.Option("--progress/--no-progress", help="Show how far it is, on stderr.")] = True,
    json: options.Json = False,
) -> None:
    """Run a run again, as a new run.

    From the beginning with the same parameters, or keeping recorded results with --from or --failed.
    """
    from engine.cli.redoing import Again, run_again

    again = Again(run_id=id, from_task=from_task, failed=failed, new_id=new_id, file=file, store=store)
    raise typer.Exit(run_again(again, wait=wait, progress=progress, json=json))


def upgrade_check(paths: options.Paths, store: options.Store = None, json: options.Json = False) -> None:
    """Would unfinished runs replay on the code as it is now?

    Each is replayed in memory up to where its record ends; no task is performed and nothing is written.
    """
    from engine.cli.opening import go
    from engine.cli.redoing import check_upgrade

    raise typer.Exit(go(check_upgrade(paths, store, as_json=json)))
