"""Options that several commands have, each declared once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Durability(StrEnum):
    """What a recorded result survives."""

    PROCESS = "process"
    POWER = "power"


class Divergence(StrEnum):
    """What to do when replay asks for something else than was recorded."""

    STOP = "stop"
    RERUN = "rerun"
    REUSE = "reuse"


Store = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URL", help="Where runs are kept: sqlite:///FILE. Else HEADRACE_STORE, else .headrace/."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
Survives = Annotated[
    Durability, typer.Option("--durability", help="What results survive: the death of the process, or a power cut too.")
]
Flow = Annotated[
    str, typer.Argument(metavar="FILE[:FLOW]", help="A Python file, and the flow in it if it has several.")
]
Parameters = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Parameters of the flow, as text or JSON.")
]
Paths = Annotated[list[str], typer.Argument(metavar="PATH...", help="Python files, or folders of them.")]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="TAG", help="Mark the run; may be given several times.")
]
Queue = Annotated[
    str | None, typer.Option("--queue", metavar="NAME", help="The queue it waits in; else the flow's, else `default`.")
]
Priority = Annotated[
    int | None, typer.Option("--priority", min=0, max=9, help="0 waits gladly, 9 is urgent; a minute is worth a step.")
]
Requires = Annotated[
    list[str] | None,
    typer.Option("--requires", metavar="TAG", help="Only nodes with this tag take it; may be given several times."),
]


def _run_ids(incomplete: str) -> list[str]:
    from engine.cli.completion import run_ids

    return run_ids(incomplete)


Run = Annotated[str, typer.Argument(metavar="ID", help="The id of a run, as `runs` shows it.", autocompletion=_run_ids)]


def parameters_of(words: list[str] | None) -> dict[str, str]:
    """`name=value` words as a mapping. Raises UsageError."""
    from engine.model.errors import UsageError

    texts: dict[str, str] = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{word!r} is not a parameter; write NAME=VALUE, for example day=2026-03-01")
        if name in texts:
            raise UsageError(f"the parameter {name} is given twice")
        texts[name] = value
    return texts
