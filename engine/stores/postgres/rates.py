"""Rates on PostgreSQL: a row for each, judged by this server's clock, and none for those that have been at rest."""

from __future__ import annotations

from typing import Final

from engine.stores.postgres.connect import Connection
from engine.stores.postgres.message import apart, rows_of, send
from engine.stores.postgres.part import Part
from engine.stores.postgres.statements import statement

RESERVE = statement("reserve")
LOOK_FOR_PLACE = statement("look_for_place")
TAKE_PLACE = statement("take_place")
FORGET_RATES = statement("forget_rates")

TIDY: Final = 1_000
"""Places after which rows of rates that are at rest are deleted: keys may be as many as customers."""


class PostgresRates(Part):
    """Satisfies `ports.rates.Rates`."""

    _reserved = 0

    async def reserve(self, rate: str, *, interval: int, burst: int, now: int) -> int:
        door = self._db.door

        async def work(connection: Connection, _: bool) -> int:
            if not door.pooled:
                return int(await connection.fetchval(self._db.sql(RESERVE), rate, interval, burst))
            while True:  # a message tells no more than whether it has taken the place
                async with apart(connection, door):
                    place = await connection.fetchrow(self._db.sql(LOOK_FOR_PLACE), rate, interval, burst)
                assert place is not None  # also of a rate that has no row
                if rows_of(await send(connection, door, (TAKE_PLACE, (rate, place["next"], place["seen"])))):
                    return int(place["delay"])

        self._reserved += 1
        if self._reserved % TIDY == 0:
            await self._db.query(lambda connection: connection.execute(self._db.sql(FORGET_RATES)))
        return await self._db.converse(work)
