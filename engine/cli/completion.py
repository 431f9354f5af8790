"""`headrace completion`: what a shell needs to complete commands, options and run ids."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """Shells that can be completed."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Your shell.")]) -> None:
    """Print the completion script of a shell.

    For bash, put this into ~/.bashrc: eval "$(headrace completion bash)"
    """
    from typer import completion as scripts

    make: Callable[..., str] = vars(scripts)["get_completion_script"]  # public in its documentation, not in its types
    typer.echo(make(prog_name="headrace", complete_var="_HEADRACE_COMPLETE", shell=shell.value))


def run_ids(incomplete: str) -> list[str]:
    """Ids of recent runs; none when there is no store. Never raises: nobody could read it."""
    from engine.cli import opening
    from engine.model.errors import HeadraceError

    async def recent() -> list[str]:
        async with opening.client(None) as client:
            return [run.id for run in await client.store.list_runs(limit=100)]

    try:
        return [name for name in asyncio.run(recent()) if name.startswith(incomplete)]
    except HeadraceError:
        return []
