"""Scripted signals: what is sent to a run as soon as the run waits for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

from engine.flow import Flow
from engine.model import entry as kinds
from engine.model.run import RunRecord
from engine.runtime.node import Node

Signals: TypeAlias = "Mapping[str, Iterable[Any]] | Iterable[tuple[str, Any]]"
"""Payloads by signal name, or pairs of name and payload. Those of one name are sent in order, one for each wait."""

ANY: Final = ""


class Script:
    """Payloads to be sent, by run or flow and by signal. What a store has received already is not sent again."""

    def __init__(self) -> None:
        self._payloads: dict[tuple[str, str], list[Any]] = {}

    def add(self, target: str | Flow[..., Any], signals: Signals) -> None:
        """Send these to the run of this id, to every run of this flow, or, for `ANY`, to every run."""
        name = target.name if isinstance(target, Flow) else target
        for signal, payload in _pairs(signals):
            self._payloads.setdefault((name, signal), []).append(payload)

    async def due(self, node: Node) -> tuple[str, str, Any] | None:
        """Run id, signal and payload of what a run waits for and has not been sent yet; None when there is nothing."""
        if not self._payloads:
            return None
        for run in await node.store.unfinished():
            for signal in await awaited(node, run):
                sent = sum(one.name == signal for one in await node.store.signals(run.num))
                for target in (run.id, run.flow, ANY):
                    payloads = self._payloads.get((target, signal), [])
                    if sent < len(payloads):
                        return run.id, signal, payloads[sent]
                    sent -= len(payloads)
        return None


def _pairs(signals: Signals) -> Iterator[tuple[str, Any]]:
    if isinstance(signals, Mapping):
        for signal, payloads in cast("Mapping[str, Iterable[Any]]", signals).items():
            for payload in payloads:
                yield signal, payload
    else:
        yield from signals


async def awaited(node: Node, run: RunRecord) -> list[str]:
    """Names of the signals that a run waits for: by the run itself when it is in memory, else by its journal."""
    session = node.sessions.get(run.num)
    if session is not None:
        return session.inbox.awaited
    journal = await node.store.read(run.num)
    over = {line.key for line in journal if line.kind == kinds.SIGNAL}
    waits = [line for line in journal if line.kind == kinds.WAIT and line.key not in over]
    return [json.loads(line.args.removeprefix("signal=")) for line in waits if line.args.startswith("signal=")]
