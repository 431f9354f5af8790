"""Checkpoints: move the write-ahead log into the database, off the loop's thread, so that the log stays small."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

WAL_LIMIT = 8 * 1024 * 1024
"""Bytes of log that start a checkpoint: two thousand pages, some 20 ms of copying and two fsyncs."""

STRIDE = 500
"""Rows between two looks at the log's size: less than WAL_LIMIT, and a `stat` every few milliseconds at most."""


class Checkpointer:
    """Owns one connection and, from the first checkpoint on, one thread."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._wal = path.with_name(f"{path.name}-wal")
        self._due = STRIDE
        self._limit = WAL_LIMIT
        self._busy = False
        self._queue: SimpleQueue[bool] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def wrote(self, rows: int) -> None:
        """Called on the loop's thread after each commit."""
        self._due -= rows
        if self._due <= 0:
            self._due = STRIDE
            if not self._busy and self._size() > self._limit:
                self._start()

    def close(self) -> None:
        """Stop the thread and close the connection. Blocks while a checkpoint is under way."""
        if self._thread is not None:
            self._queue.put(False)
            self._thread.join()
        self._connection.close()

    def _start(self) -> None:
        self._busy = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="headrace-sqlite-checkpoint", daemon=True)
            self._thread.start()
        self._queue.put(True)

    def _serve(self) -> None:
        while self._queue.get():
            self._checkpoint()
            # A reader that never ends keeps the log growing: try again after as much once more, not all the time.
            self._limit = self._size() + WAL_LIMIT
            self._busy = False

    def _checkpoint(self) -> None:
        # PASSIVE copies while others write; TRUNCATE then locks them out for the little that is left, because a log
        # that is always being written to is otherwise never finished and grows without end.
        # A lock that is not given up or a full disk are left to the next write: the log still has everything.
        with suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _size(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0
