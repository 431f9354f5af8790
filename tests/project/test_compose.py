"""The compose file for users is a valid one, and its services are the ones the docs name."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.project.tree import ROOT

COMPOSE = ROOT / "docker-compose.yml"


def validate(text: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "--default-filetype",
        "yaml",
        "-",
    ]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def test_follows_the_compose_specification() -> None:
    done = validate(COMPOSE.read_text(encoding="utf-8"))
    assert done.returncode == 0, done.stdout


def test_a_misspelt_key_is_found() -> None:
    broken = COMPOSE.read_text(encoding="utf-8").replace("healthcheck:", "healthchek:", 1)
    assert validate(broken).returncode != 0


def test_every_port_is_on_this_machine_only() -> None:
    published = re.findall(
        r'"([\d.:]+):\d+"', "".join(re.findall(r"ports: \[(.*)\]", COMPOSE.read_text(encoding="utf-8")))
    )
    assert len(published) >= 7
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_every_service_of_the_readme_is_there() -> None:
    services = COMPOSE.read_text(encoding="utf-8").split("\nservices:\n")[1].split("\nconfigs:\n")[0]
    assert set(re.findall(r"^  (\w+):$", services, re.MULTILINE)) == {
        "postgres",
        "kafka",
        "tempo",
        "grafana",
        "prometheus",
    }


def test_every_file_that_is_mounted_is_there() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    mounted = [*re.findall(r"\{file: (\S+)\}", text), *re.findall(r"- (\./\S+?):/", text)]
    assert len(mounted) == 3
    assert [path for path in mounted if not (ROOT / path).exists()] == []
