"""The command line: `headrace`."""

from __future__ import annotations


def main() -> None:
    """Run the command; ends the process with one of the codes in `exits`."""
    from engine.cli.app import main as start

    start()
