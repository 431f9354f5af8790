"""`headrace serve`: a node that runs what others submit."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from engine.cli import options


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


def serve(
    paths: options.Paths,
    store: options.Store = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="Runs in memory at once.")] = 1000,
    durability: options.Survives = options.Durability.PROCESS,
    queue: Annotated[
        list[str] | None,
        typer.Option("--queue", metavar="NAME", help="Take runs of this queue only; may be repeated. Else of all."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG", help="Take runs that require this tag as well; may be repeated."),
    ] = None,
    flow_tag: Annotated[
        list[str] | None,
        typer.Option("--flow-tag", metavar="TAG", help="Only flows with one of these tags; may be repeated."),
    ] = None,
    health: Annotated[
        str | None,
        typer.Option("--health", metavar="[HOST:]PORT", help="Answer GET /livez and /readyz there; 127.0.0.1 alone."),
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="Log lines on stderr as text or as JSON.")
    ] = LogFormat.TEXT,
) -> None:
    """Be a node: run what `start` submits.

    Until SIGTERM or Ctrl-C; then every run is released for the next node.
    """
    from engine.cli.serving import Duty, serve_until_stopped

    duty = Duty(
        paths=paths,
        store=store,
        concurrency=concurrency,
        durability=durability.value,
        queues=tuple(words(queue)) if queue else None,
        tags=tuple(words(tag)),
        flow_tags=frozenset(words(flow_tag)),
        health=health,
        log_format=log_format.value,
    )
    raise typer.Exit(serve_until_stopped(duty))


def words(given: list[str] | None) -> list[str]:
    """The names of an option that may be repeated, or given once with commas, each once."""
    return [*dict.fromkeys(name for text in given or () for name in text.split(","))]
