"""What holds for every test: no environment leaks in, generated cases take their time, servers are shared."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

from tests.support import postgres

hypothesis.settings.register_profile("headrace", deadline=None, print_blob=True)
hypothesis.settings.load_profile("headrace")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own store, exporter or colours must not decide what a test sees."""
    for name in os.environ:
        if name.startswith(("HEADRACE_", "OTEL_")) or name in {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "TRACEPARENT"}:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server: the one that was given, or a private one for this session."""
    if postgres.GIVEN:
        yield postgres.GIVEN
    else:
        for server in postgres.serving():
            yield server.url


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    """A schema of its own on that server, not there yet."""
    with postgres.schema_of_its_own(postgres_url) as url:
        yield url
