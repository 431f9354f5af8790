"""Rates on SQLite: a row for each, and none for those that have been at rest."""

from __future__ import annotations

import sqlite3
from typing import Final

from engine.stores.sqlite.part import Part
from engine.stores.sqlite.statements import statement

RESERVE = statement("reserve")
FORGET_RATES = statement("forget_rates")

TIDY: Final = 1_000
"""Places after which rows of rates that are at rest are deleted: keys may be as many as customers."""


class SQLiteRates(Part):
    """Satisfies `ports.rates.Rates`."""

    _reserved = 0

    async def reserve(self, rate: str, *, interval: int, burst: int, now: int) -> int:
        self._reserved += 1
        tidy = self._reserved % TIDY == 0

        def work(connection: sqlite3.Connection) -> int:
            (after,) = connection.execute(RESERVE, {"name": rate, "interval": interval, "now": now}).fetchone()
            if tidy:
                connection.execute(FORGET_RATES, (now,))
            return max(0, int(after) - burst * interval - now)

        return await self._db.transact(work)
