"""`import engine` and `headrace --help` load no driver, no exporter, no web framework: a command starts at once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "aiokafka",
    "asyncpg",
    "httpx",
    "jinja2",
    "obstore",
    "opentelemetry",
    "requests",
    "rich",
    "sqlite3",
    "starlette",
    "uvicorn",
)

HELP = """
import sys
sys.argv = ["headrace", "--help"]
from engine.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""

AUTHORING = "from engine import flow, task, Retry, Pool, sleep, wait_for, timeout, now, current, on_schedule, every"


def loaded_by(code: str) -> set[str]:
    report = "\nimport json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "code", ["import engine", AUTHORING, HELP], ids=["import engine", "authoring", "headrace --help"]
)
def test_loads_nothing_heavy(code: str) -> None:
    loaded = loaded_by(code)
    assert [name for name in HEAVY if name in loaded] == []


def test_the_probe_sees_what_is_loaded() -> None:
    assert "sqlite3" in loaded_by("import sqlite3")
