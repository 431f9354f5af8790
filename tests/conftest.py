"""What holds for every test: no environment leaks in, and generated cases may take as long as they need."""

from __future__ import annotations

import os

import hypothesis
import pytest

hypothesis.settings.register_profile("headrace", deadline=None, print_blob=True)
hypothesis.settings.load_profile("headrace")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own store, exporter or colours must not decide what a test sees."""
    for name in os.environ:
        if name.startswith(("HEADRACE_", "OTEL_")) or name in {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "TRACEPARENT"}:
            monkeypatch.delenv(name)
