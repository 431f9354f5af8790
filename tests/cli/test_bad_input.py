"""Whatever a person types, a file contains or an environment holds: one readable message and the right exit code."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing

import pytest

from tests.cli.conftest import FLOWS, Headrace

FILES = {
    "broken.py": "def flow(:\n",
    "raises.py": "from engine import flow\n\n\ndef helper() -> None:\n    raise KeyError('lost')\n\n\nhelper()\n",
    "missing.py": "import no_such_module_here\n",
    "exits.py": "import sys\n\nsys.exit(3)\n",
    "empty.py": "",
    "sync.py": "from engine import flow\n\n\n@flow\ndef f() -> None: ...\n",
    "csv.py": "from engine import flow\n\n\n@flow\nasync def f() -> None: ...\n",
    "two.py": "from engine import flow\n\n\n@flow(name='hello')\nasync def g() -> None: ...\n",
    "own.py": "from engine import flow\n\n\n@flow\nasync def other() -> None: ...\n",
    "deep.py": "(" * 500,
    "endless.py": "def f():\n    f()\n\n\nf()\n",
    "notes.txt": "hello",
    "binary.py": "\x00\x01",
    "unannotated.py": "from engine import flow\n\n\n@flow\nasync def f(*args): ...\n",
}

HUGE = """

@flow
async def huge() -> int:
    return 10**5000
"""

RUN = ("run", "flows_here.py:hello")

NO_TEXT = b"\xff\xfe".decode("utf-8", "surrogateescape")
"""What Python makes of bytes on the command line, or in the environment, that are not UTF-8."""

TOO_LONG = "x" * 5000

TABLE: list[tuple[Sequence[str], int, str]] = [
    ((), 2, "Usage"),
    (("rnu",), 2, "Did you mean 'run'"),
    (("run",), 2, "Missing argument"),
    (("run", "nowhere.py"), 2, "there is no file nowhere.py"),
    (("run", "no/where.py"), 2, "nor a folder no"),
    (("run", "flow_here.py"), 2, "did you mean flows_here.py?"),
    (("run", "flows_here"), 2, "did you mean flows_here.py?"),
    (("run", "flows_here.py"), 2, "flows; say which one: flows_here.py:hello"),
    (("run", "flows_here.py:helo"), 2, "did you mean flows_here.py:hello?"),
    (("run", "flows_here.py:"), 2, "has no flow ''"),
    (("run", "notes.txt"), 2, "is not a Python file"),
    (("run", "broken.py"), 2, "SyntaxError"),
    (("run", "binary.py"), 2, "null bytes"),
    (("run", "raises.py"), 2, "KeyError: 'lost'"),
    (("run", "missing.py"), 2, "No module named 'no_such_module_here'"),
    (("run", "exits.py"), 2, "SystemExit: 3"),
    (("run", "empty.py"), 2, "declares no flow"),
    (("run", "sync.py"), 2, "must be `async def`"),
    (("run", "csv.py"), 2, "is a module of Python itself"),
    (("run", "unannotated.py"), 2, "`*args` has no name of its own"),
    (("serve", "flows_here.py", "two.py"), 2, "two flows are called 'hello'"),
    (("serve", "nothing"), 2, "there is no file nothing"),
    (("serve", "flows_here.py", "--flow-tag", "nix"), 2, "has a tag of nix"),
    (("serve", "flows_here.py", "--concurrency", "0"), 2, "concurrency"),
    ((*RUN, "Ada"), 2, "'Ada' is not a parameter; write NAME=VALUE"),
    ((*RUN, "name=Ada", "name=Bea"), 2, "given twice"),
    ((*RUN, "nam=Ada"), 2, "did you mean `name`?"),
    (("run", "flows_here.py:steps", "n=many"), 2, "the parameter `n` is declared as int"),
    ((*RUN, "--durability", "eternal"), 2, "eternal"),
    ((*RUN, "--store", "here.db"), 2, "'here.db' is not a store; write sqlite:///relative.db"),
    ((*RUN, "--store", "sqlite://"), 2, "names no file"),
    ((*RUN, "--store", "postgresql://db"), 6, "cannot be reached"),
    ((*RUN, "--store", "sqlite:////proc/here/x.db"), 6, "/proc/here/x.db"),
    ((*RUN, "--store", "sqlite:///notes.txt"), 6, "is not a Headrace store"),
    ((*RUN, "--store", "sqlite:///foreign.db"), 6, "another program"),
    ((*RUN, "--store", "sqlite:///."), 6, "the store"),
    (("start", "hello"), 2, "did you mean flows_here.py:hello?"),
    (("start", "flows_here.py:hello", "--in", "soon"), 2, "'soon' is not a duration"),
    (("start", "flows_here.py:hello", "--in", "9999999999w"), 2, "9999999999w"),
    (("start", "flows_here.py:hello", "--in", "999999w"), 2, "calendar"),
    (("start", "flows_here.py:hello", "--at", "tomorrow"), 2, "'tomorrow' is not a time"),
    (("start", "flows_here.py:hello", "--in", "1s", "--at", "2026-01-01"), 2, "not both"),
    (("show", "knwon"), 2, "did you mean known?"),
    (("show", "kn"), 2, "did you mean known?"),
    (("show", "nothing-like-it"), 2, "`headrace runs` lists"),
    (("show", "known", "--store", "memory://"), 2, "lives and dies with one process"),
    (("show", "known", "--store", "sqlite:///none.db"), 2, "nothing has been run there yet"),
    (("logs", "knwon"), 2, "did you mean known?"),
    (("cancel", "knwon"), 2, "did you mean known?"),
    (("cancel", "known"), 2, "nothing to cancel"),
    (("signal", "knwon", "go"), 2, "did you mean known?"),
    (("signal", "known", "go"), 2, "takes no signal"),
    (("signal", "known", "go", "yes"), 2, "is not JSON"),
    (("signal", "known", "go", "{'a': 1}"), 2, "is not JSON"),
    (("rerun", "knwon"), 2, "did you mean known?"),
    (("rerun", "known", "--from", "greet", "--failed"), 2, "not both"),
    (("rerun", "known", "--from", "gret"), 2, "has no task 'gret'"),
    (("rerun", "known", "--file", "own.py"), 2, "has no flow 'hello'"),
    (("rerun", "known", "--id", "known"), 2, "in use"),
    (("runs", "--state", "asleep"), 2, "there are queued, running"),
    (("runs", "--limit", "0"), 2, "limit"),
    (("runs", "--before", "knwon"), 2, "did you mean known?"),
    (("prune", "--older-than", "x"), 2, "not a duration"),
    (("prune",), 2, "older-than"),
    (("upgrade-check", "nowhere.py"), 2, "there is no file"),
    (("init", "flows_here.py"), 2, "is there already"),
    (("init", "notes.txt/sub"), 2, "notes.txt"),
    (("completion", "csh"), 2, "csh"),
    (("run", f"{TOO_LONG}.py"), 2, "File name too long"),
    (("runs", "--store", f"sqlite:///{TOO_LONG}"), 2, "File name too long"),
    (("run", "self.py"), 2, "there is no file self.py"),
    (("run", "pipe.py"), 2, "there is no file pipe.py"),
    (("run", "folder.py"), 2, "the folder folder.py has no Python file"),
    (("run", "deep.py"), 2, "too many nested parentheses"),
    (("run", "endless.py"), 2, "RecursionError"),
    ((*RUN, "--id", ""), 2, "cannot be a run id"),
    ((*RUN, "--id", "a/b"), 2, "cannot be a run id"),
    ((*RUN, "--id", "a\x1b[31mb"), 2, "cannot be a run id"),
    ((*RUN, "--id", TOO_LONG), 2, "cannot be a run id"),
    (("show", NO_TEXT), 2, "is not text in UTF-8"),
    (("runs", "--flow", NO_TEXT), 2, "is not text in UTF-8"),
    ((*RUN, "--tag", NO_TEXT), 2, "is not text in UTF-8"),
    ((*RUN, f"name={NO_TEXT}"), 2, "is not text in UTF-8"),
    (("signal", "known", NO_TEXT), 2, "is not text in UTF-8"),
    (("signal", "known", "go", "[" * 3000), 2, "is not JSON"),
    (("run", "flows_here.py:steps", "n=1e400"), 2, "the parameter `n` is declared as int"),
    (("run", "flows_here.py:steps", "n=NaN"), 2, "the parameter `n` is declared as int"),
    (("run", "flows_here.py:steps", f"n={'9' * 5000}"), 2, "exceeded maximum size"),
    (("run", "flows_here.py:steps", f"n={'[' * 3000}"), 2, "the parameter `n` is declared as int"),
    (("run", "flows_here.py:huge"), 1, "ValueError in its repr"),
    (("runs", "--limit", "9" * 30), 2, "less than or equal to"),
    (("runs", "--store", "postgresql://[::1"), 2, "Invalid IPv6 URL"),
    (("runs", "--store", "sqlite:////dev/null"), 6, "/dev/null"),
    (("init", "/proc/here"), 2, "cannot be written"),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Headrace:
    """A folder with bad files and one finished run: reading does not change it."""
    folder = tmp_path_factory.mktemp("bad")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "self.py").symlink_to("self.py")
    (folder / "folder.py").mkdir()
    os.mkfifo(folder / "pipe.py")
    with closing(sqlite3.connect(folder / "foreign.db")) as db:
        db.execute("CREATE TABLE t (a)")
        db.commit()
    headrace = Headrace(folder)
    headrace.write("flows_here.py", FLOWS + HUGE)
    headrace("run", "flows_here.py:hello", "--id", "known")
    return headrace


@pytest.mark.parametrize(
    ("words", "code", "message"), TABLE, ids=[ascii(" ".join(words))[1:61] or "nothing" for words, _, _ in TABLE]
)
def test_bad_input(prepared: Headrace, words: Sequence[str], code: int, message: str) -> None:
    done = prepared(*words, code=code)
    assert message in done.err + done.out
    assert "engine/" not in done.err
    assert "site-packages" not in done.err


def test_import_error_shows_only_the_users_frames(prepared: Headrace) -> None:
    done = prepared("run", "raises.py", code=2)
    assert "line 5, in helper" in done.err
    assert "importlib" not in done.err


def test_two_flows_of_one_name_name_both_files(prepared: Headrace) -> None:
    done = prepared("serve", "flows_here.py", "two.py", code=2)
    assert "flows_here.py:" in done.err
    assert "two.py:" in done.err


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1", "No telemetry: Invalid IPv6 URL"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:99999999", "No telemetry: Port out of range"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", NO_TEXT, "is not an OTLP/HTTP endpoint"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%0d%0ac:d", "is not a header that HTTP can carry"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "ä=b", "is not a header that HTTP can carry"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere.pem", "No telemetry: OTEL_EXPORTER_OTLP_CERTIFICATE"),
        ("OTEL_TRACES_SAMPLER", "junk", ""),
        ("HEADRACE_SPANS", "junk", ""),
        ("COLUMNS", "0", ""),
        ("TERM", "junk", ""),
        ("LC_ALL", "C", ""),
        ("HOME", "/nowhere", ""),
        ("TMPDIR", "/nowhere", ""),
        ("TZ", "Nowhere/Land", ""),
    ],
)
def test_junk_in_the_environment_stops_no_run(prepared: Headrace, name: str, value: str, told: str) -> None:
    to = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:1"} if name.startswith("OTEL_EXPORTER") else {}
    done = prepared.start(*RUN, "--new", **{**to, name: value}).end()
    assert done.code == 0, done
    assert done.out == '"Hello, world!"\n'
    assert told in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("endpoint", ["http://[::1", "http://h:99999999", "ftp://h", NO_TEXT])
def test_doctor_names_an_endpoint_that_is_none(prepared: Headrace, endpoint: str) -> None:
    done = prepared("doctor", code=1, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert "is no OTLP/HTTP endpoint" in done.out + done.err


@pytest.mark.parametrize("store", [NO_TEXT, "x", "sqlite://", "postgres://x", "sqlite:////proc/here/x.db"])
def test_bad_environment(prepared: Headrace, store: str) -> None:
    for words in (RUN, ("runs",), ("start", "flows_here.py:hello"), ("doctor",)):
        done = prepared.start(*words, HEADRACE_STORE=store).end()
        # nothing is there yet to be listed; doctor says what is wrong
        assert done.code in {2, 6} or (words == ("runs",) and "nothing has been run" in done.err), (words, done)
        assert "This is a bug" not in done.err


def test_damaged_store(headrace: Headrace) -> None:
    headrace("run", "flows_here.py:hello", "--id", "h")
    store = headrace.folder / "state.db"
    store.write_bytes(store.read_bytes()[:4096] + os.urandom(8192))
    for name in ("state.db-wal", "state.db-shm"):
        (headrace.folder / name).unlink(missing_ok=True)
    for words in (("runs",), ("show", "h"), ("run", "flows_here.py:hello")):
        assert "state.db" in headrace(*words, code=6).err


def test_a_message_about_the_terminal_that_lacks_characters(headrace: Headrace) -> None:
    done = headrace("run", "flows_here.py:hello", "name=Ä✓", PYTHONIOENCODING="ascii")
    assert done.out == '"Hello, ??!"\n'
