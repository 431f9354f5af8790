"""What we give people to look at traces with asks for attributes that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from observability import names

ROOM = Path(names.__file__).parent
GIVEN = sorted(path for pattern in ("*.yaml", "*.json") for path in ROOM.rglob(pattern))
OURS = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
FOREIGN = {"error.type"}  # semantic conventions that we follow
INTRINSIC = {"status", "duration", "name", "kind"}

DASHBOARDS = sorted(ROOM.glob("grafana/dashboards/*.json"))


def queries(dashboard: Path) -> list[str]:
    panels: list[dict[str, Any]] = json.loads(dashboard.read_text(encoding="utf-8"))["panels"]
    return [target["query"] for panel in panels for target in panel["targets"]]


def test_there_is_something_to_check() -> None:
    assert {path.name for path in GIVEN} >= {"tempo.yaml", "headrace.json", "headrace.yaml"}


@pytest.mark.parametrize("path", GIVEN, ids=lambda path: str(path.relative_to(ROOM)))
def test_every_attribute_of_ours_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    used = set(re.findall(r"(?<![\w/])headrace\.[a-z_]+(?:\.[a-z_]+)+", text))
    assert used <= OURS


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_is_of_the_form_that_tempo_reads(dashboard: Path) -> None:
    for query in queries(dashboard):
        head = re.match(r"\{ (.+?) \}(?: \| .+)?$", query)
        assert head, query
        for condition in head[1].split(" && "):
            left, operator, right = condition.split(" ", 2)
            assert left.removeprefix("span.") in OURS | FOREIGN | INTRINSIC, condition
            assert operator in {"=", "!=", "=~", ">", "<"}, condition
            assert re.fullmatch(r'"[^"]*"|\d+(?:ms|s|m)?|error', right), condition
        for attribute in re.findall(r"span\.([\w.]+)", query):
            assert attribute in OURS | FOREIGN, query


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_kind_that_is_asked_for_is_made(dashboard: Path) -> None:
    asked = {kind for query in queries(dashboard) for kind in re.findall(r'span\.kind = "(\w+)"', query)}
    assert asked == set(names.PREFIXES), "each kind of span has a panel, and no panel waits for a kind that never comes"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_do_not_overlap(dashboard: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(dashboard.read_text(encoding="utf-8"))["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
