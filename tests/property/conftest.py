"""Both event loops for all programs, one tally for the session, and its table at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import uvloop

from tests.property.checking import Loops
from tests.property.coverage import Tally

_session = Tally()


@pytest.fixture
def tally() -> Tally:
    """What the programs of this session have covered so far."""
    return _session


@pytest.fixture
def loops() -> Iterator[Loops]:
    """The event loops that a life may be led on."""
    made: Loops = {"asyncio": asyncio.new_event_loop(), "uvloop": uvloop.new_event_loop()}
    yield made
    for each in made.values():
        each.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was covered."""
    if _session.programs:
        terminalreporter.section("generated programs")
        for row in _session.table():
            terminalreporter.line(row)
