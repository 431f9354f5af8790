"""Stands before `user_provider`, which loads the SDK, until it is known that the program makes spans of its own."""

from __future__ import annotations

import logging
import sys

from observability.exporter import Exporter
from observability.record import Attributes, SpanRecord
from observability.settings import Destination
from observability.threads import ended_within, on_thread

log = logging.getLogger("headrace.telemetry")


class UserSpans:
    """Where the spans of the user's own and of libraries go. `to` None: nowhere, unless the program says so itself."""

    def __init__(self, to: Destination | None, resource: Attributes) -> None:
        self._to = to
        self._resource = resource
        self._asked = False

    def set_up(self, *, wait: bool) -> None:
        """Export them from now on; without `wait` a moment later, for loading the SDK would hold up the loop."""
        self._asked = True
        if wait:
            self._load()
        else:
            on_thread(self._load, "headrace-user-spans")

    def exporter(self, *, asked: bool) -> Exporter[SpanRecord] | None:
        """The engine's spans through the SDK; None when the program has no SDK set up and did not ask for it."""
        if not asked and "opentelemetry.sdk.trace" not in sys.modules:
            return None
        from observability import user_provider
        from observability.sdk import SdkSink

        if asked:
            self._asked = True
            user_provider.set_up(self._to, self._resource)
        provider = user_provider.sdk_provider(ours=asked)
        return Exporter("spans", SdkSink(provider)) if provider is not None else None

    async def flush(self, timeout: float) -> None:
        """On a thread, for the SDK does not keep to a time limit."""
        if not self._asked:
            return

        def flush() -> None:
            from observability import user_provider

            user_provider.flush(timeout)

        if not await ended_within(timeout, on_thread(flush, "headrace-flush")):
            log.warning("Spans of the program's own were not all sent before the engine closed")

    def _load(self) -> None:
        from observability import user_provider

        user_provider.set_up(self._to, self._resource)
