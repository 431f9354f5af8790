"""Errors: what SQLite's codes mean for people, with the path and the way out."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from engine.model.errors import HeadraceError, StoreBusy, StoreCorrupt, StoreError, StoreFull, StoreReadOnly

_IOERR_WRITE = 778  # quota and file-size limits arrive as this, a full disk only sometimes as SQLITE_FULL
_IOERR_SHMSIZE = 4874

_BY_CODE: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (
        StoreBusy,
        "is locked by another process for too long. Find it (`fuser {path}`) and let it finish or stop it",
    ),
    sqlite3.SQLITE_READONLY: (
        StoreReadOnly,
        "cannot be written. Give this user write permission on the file and on its directory",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        StoreReadOnly,
        "cannot be opened or created. Check that its directory exists and that this user may write there",
    ),
    sqlite3.SQLITE_FULL: (StoreFull, "cannot grow. Free disk space and start again: nothing acknowledged is lost"),
    _IOERR_WRITE: (
        StoreFull,
        "cannot grow: disk, quota or file-size limit is used up, or the disk fails. Make room and start again",
    ),
    _IOERR_SHMSIZE: (StoreFull, "cannot grow. Free disk space and start again: nothing acknowledged is lost"),
    sqlite3.SQLITE_CORRUPT: (
        StoreCorrupt,
        "is damaged. Keep the file, then restore a backup or salvage it with `sqlite3 {path} .recover`",
    ),
    sqlite3.SQLITE_NOTADB: (
        StoreCorrupt,
        "is not a Headrace store, nor any SQLite database. Give another path with --store or HEADRACE_STORE",
    ),
}


DRIVER_ERRORS = (sqlite3.Error, OSError, OverflowError, UnicodeEncodeError)
"""What SQLite, the file system, numbers of more than 64 bits and strings that are no text raise."""


def is_busy(error: BaseException) -> bool:
    """Whether another connection holds the lock that was asked for."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def store_error(error: Exception, path: Path) -> Exception:
    """The StoreError for a driver's error, with it as the cause. What is ours already stays as it is."""
    if isinstance(error, HeadraceError):
        return error
    code = getattr(error, "sqlite_errorcode", 0)
    kind, advice = _BY_CODE.get(code) or _BY_CODE.get(code & 0xFF) or (StoreError, "refused: {error}")
    if isinstance(error, OSError):
        kind, advice = StoreReadOnly, "cannot be reached: {error}. Check its directory and the permissions on it"
    told = kind(f"the store {path} {advice.format(path=path, error=error)} ({type(error).__name__}: {error})")
    told.__cause__ = error
    return told
