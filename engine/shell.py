"""shell: a command as a task."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from engine.context import CURRENT
from engine.current import current
from engine.model.errors import HeadraceError
from engine.task import task

OUTPUT_LIMIT = 65_536
"""Characters of each output stream that the result keeps, from its end. The run's log has every line."""

KILL_AFTER = 5.0
"""Seconds between asking a cancelled command to stop and killing it."""


@dataclass(frozen=True, slots=True)
class ShellResult:
    """How a command ended: exit code, and the end of what it printed."""

    code: int
    stdout: str
    stderr: str


class ShellError(HeadraceError):
    """A command ended with a code other than 0."""


async def shell(
    command: str | Sequence[str],
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    timeout: timedelta | None = None,
) -> ShellResult:
    """Run a command: a text is given to the shell, a list of words is not. Each line it prints goes to the run's log.

    `env` is added to this process's environment, as are TRACEPARENT and HEADRACE_RUN_ID inside a run. Raises ShellError
    when `check` and the code is not 0, TimeoutError after `timeout`. Cancelling stops the whole process group.
    """
    words = command if isinstance(command, str) else list(command)
    return await _shell(words, cwd, dict(env or {}), check, None if timeout is None else timeout.total_seconds())


@task(name="shell")
async def _shell(
    command: str | list[str], cwd: str | None, env: dict[str, str], check: bool, seconds: float | None
) -> ShellResult:
    full_env = {**os.environ, **env, **_trace_parent(), "HEADRACE_RUN_ID": current().run_id}
    pipe = asyncio.subprocess.PIPE
    start = (
        partial(asyncio.create_subprocess_shell, command)
        if isinstance(command, str)
        else partial(asyncio.create_subprocess_exec, *command)
    )
    process = await start(
        cwd=cwd,
        env=full_env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(seconds):
            out, err, code = await asyncio.gather(
                _tail(process.stdout, "out"), _tail(process.stderr, "err"), process.wait()
            )
    except BaseException:  # also when the command itself has ended and what it left behind holds its output open
        await _stop(process)
        raise
    if check and code != 0:
        raise ShellError(f"{command!r} ended with code {code}: {(err or out).strip()[-500:]}")
    return ShellResult(code, out, err)


def _trace_parent() -> dict[str, str]:
    """W3C trace context, so that what the command traces hangs below this task."""
    scope = CURRENT.get()
    if scope is None:
        return {}
    trace, sampled = scope.session.trace
    return {"TRACEPARENT": f"00-{trace}-{scope.span:016x}-{sampled:02x}"}


async def _tail(stream: asyncio.StreamReader, name: str) -> str:
    """Log each line; keep the end."""
    logger = current().logger
    kept = ""
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # a line longer than the reader's buffer: take it in pieces
            line = await stream.read(OUTPUT_LIMIT)
        if not line:
            return kept
        text = line.decode("utf-8", "replace")
        logger.info("%s", text.rstrip("\n"), extra={"stream": name})
        kept = (kept + text)[-OUTPUT_LIMIT:]


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask the process group to stop, then kill it."""
    _signal_group(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(KILL_AFTER):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
