"""Node locks: a file per node beside the store, locked while its process lives, by the kernel's word."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote


class NodeLocks:
    """The locks that this process holds, and a test for those of others.

    A lock belongs to an open file: it ends with the process, however that dies, and two stores in one process
    hold theirs apart.
    """

    def __init__(self, store: Path) -> None:
        self._folder = store.with_name(f"{store.name}.nodes")
        self._held: dict[str, int] = {}
        os.register_at_fork(after_in_child=self._forget)

    def take(self, node: str) -> bool:
        """Lock a node's file, until `drop`; False when another process, or another store object, has it.

        Raises OSError when the file cannot be made.
        """
        path = self._path(node)
        while True:
            self._folder.mkdir(exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            if not _lock(file):
                os.close(file)
                return False
            if _is_at(file, path):
                self._held[node] = file
                return True
            os.close(file)  # its last holder has removed it between our `open` and our lock

    def drop(self, node: str) -> None:
        """Give a lock up and remove its file. A lock not held is no error."""
        file = self._held.pop(node, None)
        if file is not None:
            self._path(node).unlink(missing_ok=True)
            os.close(file)

    def holds(self, node: str) -> bool:
        """Whether this object holds the node's lock."""
        return node in self._held

    def alive(self, node: str) -> bool:
        """Whether somebody holds the node's lock."""
        if self.holds(node):
            return True
        try:
            file = os.open(self._path(node), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _lock(file)
        finally:
            os.close(file)

    def close(self) -> None:
        """Give up all locks; the files stay, so that nodes that have not left are found dead."""
        while self._held:
            os.close(self._held.popitem()[1])
        with suppress(OSError):
            self._folder.rmdir()  # only an empty folder can be removed

    def _forget(self) -> None:
        # A forked child shares the open file, and with it would keep its parent's lock after the parent's death.
        for file in self._held.values():
            os.close(file)
        self._held.clear()

    def _path(self, node: str) -> Path:
        return self._folder / f"{quote(node, safe='')}.lock"


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
