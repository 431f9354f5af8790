"""For tests of flows: an engine in memory whose clock jumps, scripted signals, and a crash at every commit."""

from engine.testing.bench import Stuck, TestEngine, engine
from engine.testing.clock import START, VirtualClock
from engine.testing.replays import ReplayFailed, assert_replays

__all__ = ["START", "ReplayFailed", "Stuck", "TestEngine", "VirtualClock", "assert_replays", "engine"]
