"""PostgreSQL: the store that nodes on many machines share."""

from engine.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
