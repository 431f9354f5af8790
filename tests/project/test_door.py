"""The public door hands out functions and classes, whatever has been imported before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.project.tree import ROOT

CHECK = """
import pkgutil, types
import engine
public = list(engine.__all__)
assert {"flow", "task", "Engine", "Retry", "sleep", "current", "shell", "HeadraceError"} <= set(public), public
assert len(public) == len(set(public))
assert set(public) <= set(dir(engine))
modules = [name for name in public if isinstance(getattr(engine, name), types.ModuleType)]
assert modules == [], f"a module stands where its name should: {modules}"
"""

# `engine.flow` is a module and `flow` a public name: importing the one must not shadow the other.
EARLIER = """
import importlib, pkgutil
import engine
for module in pkgutil.iter_modules(engine.__path__):
    if not module.name.startswith("_"):
        importlib.import_module(f"engine.{module.name}")
"""


@pytest.mark.parametrize("code", [CHECK, EARLIER + CHECK, CHECK + EARLIER + CHECK], ids=["first", "after", "both"])
def test_every_public_name_is_what_it_says(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_an_import_error() -> None:
    code = "from engine import no_such_name"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "ImportError: cannot import name 'no_such_name'" in done.stderr
