"""Decisions: no I/O, no asyncio, no clock and no dice of their own."""
