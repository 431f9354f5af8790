"""Rates in memory."""

from __future__ import annotations

from engine.stores.memory.tables import Tables


class MemoryRates(Tables):
    """Satisfies `ports.rates.Rates`."""

    async def reserve(self, rate: str, *, interval: int, burst: int, now: int) -> int:
        self._rates[rate] = max(self._rates.get(rate, now), now) + interval
        return max(0, self._rates[rate] - burst * interval - now)
