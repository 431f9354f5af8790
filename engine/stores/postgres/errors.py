"""Errors: what the server's codes and the network's failures mean for people, with the way out."""

from __future__ import annotations

import ssl

from engine.model.errors import HeadraceError, StoreBusy, StoreError, StoreFull, StoreReadOnly
from engine.stores.postgres.address import Address
from engine.stores.postgres.connect import driver

UNIQUE_VIOLATION = "23505"
DIVISION_BY_ZERO = "22012"
LOCK_NOT_GIVEN = "55P03"

_AGAIN = frozenset({"40P01", "40001", LOCK_NOT_GIVEN})
"""The server rolled back for the sake of others: a deadlock, a conflict, a lock that was not given."""

_AWAY = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "53300"})
"""The server is going down, coming up, full, or has ended this session."""

_BY_CODE: dict[str, tuple[type[StoreError], str]] = {
    "28P01": (StoreError, "does not take this password. Check user and password in the URL, or PGPASSWORD"),
    "28000": (StoreError, "does not let this user in ({error}). Check the user, the database and pg_hba.conf"),
    "3D000": (StoreError, "has no such database. Create it with `createdb`, or name another one in the URL"),
    "42501": (
        StoreError,
        (
            "does not give this user the rights it needs ({error}). As its owner: "
            "GRANT CREATE ON DATABASE … TO …, or create the schema {schema} and GRANT ALL ON SCHEMA {schema} TO …"
        ),
    ),
    "25006": (StoreReadOnly, "takes no writes: it is a standby, or set read-only. Give the address of the primary"),
    "53100": (StoreFull, "has no disk space left. Make room: nothing acknowledged is lost"),
    "53300": (StoreBusy, "has no connection left. Raise max_connections, or run fewer nodes"),
    "57P03": (StoreBusy, "is starting up or shutting down. Try again when it is ready"),
    "57014": (StoreBusy, "did not finish a statement within its statement_timeout. Raise it for this user"),
    "42P01": (StoreError, "has lost a table of ours: {error}. Restore the schema {schema}, or name another one"),
    UNIQUE_VIOLATION: (StoreError, "has this already: a run has one line for each `seq` ({error})"),
}


def code_of(error: BaseException) -> str:
    """The server's code; empty when the error is not the server's."""
    code = getattr(error, "sqlstate", None)
    return code if isinstance(code, str) else ""


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, so that nobody knows what became of the statement."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return False  # another try would meet the same certificate
    if isinstance(error, OSError):  # time-outs and failed name look-ups included
        return True
    code = code_of(error)
    if code:
        return code in _AWAY or code.startswith("08")
    asyncpg = driver()
    if isinstance(error, asyncpg.InternalClientError):
        return True  # the driver lost its thread in the protocol
    return isinstance(error, asyncpg.InterfaceError) and "closed" in str(error)


def is_refused_for_others(error: BaseException) -> bool:
    """Whether the server rolled a transaction back that may be tried again as it is."""
    return code_of(error) in _AGAIN


def is_theirs(error: BaseException) -> bool:
    """Whether the error comes from the driver, the server or the network."""
    asyncpg = driver()
    kinds = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ValueError)
    return isinstance(error, (*kinds, OverflowError))


def store_error(error: Exception, address: Address) -> Exception:
    """The StoreError for a driver's error, with it as the cause. What is ours already stays as it is."""
    if isinstance(error, HeadraceError):
        return error
    kind, advice = _BY_CODE.get(code_of(error)) or _without_code(error)
    text = advice.format(error=error, schema=address.schema)
    told = kind(f"the store at {address.shown} {text} ({type(error).__name__})")
    told.__cause__ = error
    return told


def _without_code(error: Exception) -> tuple[type[StoreError], str]:
    if isinstance(error, ssl.SSLError):
        return StoreError, (
            "is not who it should be, or does not speak TLS as asked ({error}). "
            "Check sslmode and sslrootcert in the URL, and the host name in the certificate"
        )
    if "rejected SSL upgrade" in str(error):
        return StoreError, "does not speak TLS. Turn `ssl` on in postgresql.conf, or use sslmode=prefer in the URL"
    if isinstance(error, TimeoutError):
        return StoreBusy, "did not answer in time. Is the server overloaded, or the network cut?"
    if isinstance(error, OSError):
        return StoreError, "cannot be reached ({error}). Is the server running there, and host and port right?"
    if is_lost(error):
        return StoreError, "broke the connection off ({error}). Is the server running, and the network whole?"
    return StoreError, "refused: {error}"
