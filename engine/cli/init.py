"""`headrace init`: a flow to start from."""

from __future__ import annotations

from typing import Annotated

import typer

HELLO = '''\
"""Run it: headrace run {file} name=Ada"""

from engine import flow, task


@task
async def greet(name: str) -> str:
    return f"Hello, {{name}}!"


@flow
async def hello(name: str = "world") -> str:
    return await greet(name)
'''


def init(
    where: Annotated[str, typer.Argument(metavar="[PATH]", help="A folder, or the name of a new Python file.")] = ".",
) -> None:
    """Write a small flow to start from.

    Nothing that exists is overwritten.
    """
    from pathlib import Path

    from engine.cli import console
    from engine.model.errors import UsageError

    path = Path(where)
    file = path if path.suffix == ".py" else path / "hello.py"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(HELLO.format(file=file))
    except FileExistsError:
        taken = file if file.exists() else file.parent
        raise UsageError(f"{taken} is there already, and init overwrites nothing; name another file") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from error
    console.put(str(file))
    console.advise("This runs it:", "run", str(file), "name=Ada")
