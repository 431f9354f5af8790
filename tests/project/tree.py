"""The project's own files, as they would be committed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def files() -> Iterator[Path]:
    """Every file that is tracked or would be: what .gitignore leaves."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file():
            yield path


def pages() -> list[Path]:
    """The documents that people read."""
    return [path for path in files() if path.suffix == ".md"]
