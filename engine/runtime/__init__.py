"""Asyncio lives here: a node, the runs in its memory, and what keeps them durable."""
