"""Memory: the reference store, in dictionaries. What it does, every store does."""

from engine.stores.memory.store import MemoryStore

__all__ = ["MemoryStore"]
