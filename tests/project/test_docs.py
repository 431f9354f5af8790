"""What the documents say is so: links resolve, examples run, commands and diagrams exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.draw_lives import PAGE, drawings, with_drawings
from tests.project.tree import ROOT, pages

FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def python_blocks(*, runnable: bool) -> list[object]:
    found: list[object] = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            language, info, code = match.groups()
            if language == "python" and ("runnable" in info) == runnable:
                line = text.count("\n", 0, match.start()) + 1
                found.append(pytest.param(code, id=f"{page.relative_to(ROOT)}:{line}"))
    return found


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    bare = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return bare.replace(" ", "-")


def anchors(page: Path) -> set[str]:
    without_code = FENCE.sub("", page.read_text(encoding="utf-8"))
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", without_code, re.MULTILINE)}


@pytest.mark.parametrize("code", python_blocks(runnable=True))
def test_runnable_examples_run(code: str, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(code, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", python_blocks(runnable=False))
def test_other_examples_are_python(code: str) -> None:
    compile(code, "example", "exec")


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages()])
def test_links_resolve(page: Path) -> None:
    broken: list[str] = []
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue  # somewhere on the web, which a test must not depend on
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages()])
def test_flows_and_targets_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE))
    assert named <= targets
    assert [name for name in re.findall(r"\bflows/\w+\.py", text) if not (ROOT / name).exists()] == []


def test_commands_named_exist() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "engine.cli", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    known = set(re.findall(r"^\W*([a-z][a-z-]+)\b", shown.stdout, re.MULTILINE))
    named = {
        command
        for page in pages()
        for command in re.findall(r"(?:^|`)headrace ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {"run", "show", "upgrade-check"} <= named
    assert named <= known


def test_diagrams_are_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_drawings(page), "run `make docs`"


def test_a_diagram_that_is_not_current_is_noticed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "running --> waiting: park" in drawings()["run"]
    stale = page.replace("running --> waiting: park", "running --> waiting: sleep")
    assert with_drawings(stale) == page
