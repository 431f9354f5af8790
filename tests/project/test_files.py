"""Nothing in the tree belongs to one machine: no home folders, no checkout paths, no package indexes."""

from __future__ import annotations

import re
from pathlib import Path

from tests.project.tree import ROOT, files

LOCAL = re.compile(
    r"(?<![\w./])/root/"
    r"|(?<![\w./])/(home|Users)/\w+"
    r"|\bpypi\.org|\bpythonhosted\.org|\bregistry\.npmjs\.org|\bproxy\.golang\.org"
    r"|\b(index-url|find-links)\b\W+(https?:/)?/"
)


def local_lines(text: str, checkout: Path) -> list[str]:
    return [line.strip() for line in text.splitlines() if LOCAL.search(line) or f"{checkout}/" in line]


def test_no_file_names_a_machine() -> None:
    found: dict[str, list[str]] = {}
    for path in files():
        if path == Path(__file__):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # data, compressed
        if lines := local_lines(text, ROOT):
            found[str(path.relative_to(ROOT))] = lines
    assert found == {}


def test_the_pattern_finds_what_it_should() -> None:
    checkout = Path("/somewhere/checkout")
    for line in (
        "/home/ann/x",
        "cd /root/x",
        "https://pypi.org/simple",
        "/somewhere/checkout/engine",
        "--find-links /srv/wheels",
    ):
        assert local_lines(line, checkout) == [line]
    assert local_lines("GET /hooks/home\n/var/tempo\nusr/root/x", checkout) == []


def test_no_file_is_huge() -> None:
    """A clone stays quick: real data is cut to what the flows need."""
    assert [str(path) for path in files() if path.stat().st_size > 5_000_000] == []
