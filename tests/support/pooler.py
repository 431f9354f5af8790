"""PgBouncer between the suite and its server, in transaction mode: every transaction gets another server process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.support.polling import wait_until

SETTINGS = """\
[databases]
* = host={host} port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 12
max_client_conn = 200
server_round_robin = 1
ignore_startup_parameters = extra_float_digits
logfile = {folder}/log
"""


@contextmanager
def pooler(url: str) -> Generator[str, None, None]:
    """The URL of the same store by way of a pooler, for as long as the block lasts."""
    parts = urlsplit(url)
    folder = Path(tempfile.mkdtemp(prefix="headrace-pgbouncer-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    text = SETTINGS.format(host=parts.hostname, server=parts.port, port=port, folder=folder)
    (folder / "settings.ini").write_text(text, encoding="utf-8")
    (folder / "users").write_text(f'"{parts.username}" "{parts.password or ""}"\n', encoding="utf-8")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    if user is not None:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user)
    process = subprocess.Popen([program(), "-q", str(folder / "settings.ini")], user=user, stderr=subprocess.DEVNULL)
    try:
        _listening(port, folder)
        place = f"{parts.username}@127.0.0.1:{port}"
        yield urlunsplit(parts._replace(netloc=place))
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def program() -> str:
    """Where it is. Fails, with what to do, on a machine without it."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise AssertionError("there is no PgBouncer on this machine: `make services` installs one on Debian and Ubuntu")
    return found


def _listening(port: int, folder: Path) -> None:
    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    log = folder / "log"
    wait_until(listens, 10, every=0.02, tell=lambda: log.read_text(encoding="utf-8") if log.exists() else "no log")
