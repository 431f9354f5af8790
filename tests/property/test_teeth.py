"""The laws have teeth: engines that are broken on purpose break a law within a few programs."""

# What is put in the engine's place is written down as briefly as it can be: without types, and beside private names.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from engine.core import replay
from engine.core.replay import Replay
from engine.core.scopes import Scope
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.runtime import delivery, scoping
from engine.runtime.recording import Recording
from engine.runtime.session import Session
from tests.property import lives
from tests.property.checking import Loops, Program
from tests.property.coverage import Tally
from tests.property.laws import Broken
from tests.property.lives import Plan
from tests.property.trees import CANCELS, COMPLETIONS, RACES, SMALL, WIDE, plans

WITHIN = 60
"""Programs within which each broken engine has to be found out."""


@cache
def drawn(trees: st.SearchStrategy[list[Any]], number: int) -> list[Plan]:
    """The same programs for each of the broken engines."""
    found: list[Plan] = []

    @settings(
        phases=[Phase.generate],
        max_examples=number,
        database=None,
        suppress_health_check=[*HealthCheck],  # pyright: ignore[reportArgumentType] - its metaclass is what iterates
    )
    @seed("teeth")
    @given(plan=plans(trees))
    def every(plan: Plan) -> None:
        found.append(plan)

    every()
    return found[:number]


def mixed() -> list[Plan]:
    """Small ones and wide ones in turn."""
    pairs = zip(drawn(SMALL, WITHIN // 2), drawn(WIDE, WITHIN // 2), strict=True)
    return [plan for pair in pairs for plan in pair]


Patch = pytest.MonkeyPatch


def everything_at_once(patch: Patch) -> None:
    """After a crash all that is recorded reaches the flow in one go."""

    def merged(groups: dict[int, list[str]], moved: dict[str, int]) -> list[list[str]]:
        ordered = in_order(groups, moved)
        return [[key for group in ordered for key in group]] if ordered else []

    in_order = replay._in_order
    patch.setattr(replay, "_in_order", merged)


def each_group_backwards(patch: Patch) -> None:
    """After a crash what one commit recorded reaches the flow in reversed order."""
    in_order = replay._in_order
    patch.setattr(replay, "_in_order", lambda *given: [group[::-1] for group in in_order(*given)])


def one_by_one(patch: Patch) -> None:
    """After a crash what one commit recorded reaches the flow one result at a time, at rest in between."""
    in_order = replay._in_order
    patch.setattr(replay, "_in_order", lambda *given: [[key] for group in in_order(*given) for key in group])


def a_counter_for_each_run(patch: Patch) -> None:
    """Steps are called by their number in the run, whatever branch they are in and whatever they are given.

    As long as delivery repeats a life exactly, their numbers are the same again; where branches begin in an order that
    is not ours, they are not.
    """
    key: Callable[..., str] = Scope.key
    step: Callable[..., tuple[str, int]] = Scope.step

    def branch(scope: Scope[Any], base: str) -> Scope[Any]:
        made = Scope(scope.session, scope.path, span=scope.span, salt=scope.salt, body=scope.body)
        made._counts = scope._counts
        return made

    patch.setattr(Scope, "branch", branch)
    patch.setattr(Scope, "key", lambda scope, base: key(scope, base.partition("@")[0]))
    patch.setattr(Scope, "step", lambda scope, base, bits: step(scope, base.partition("@")[0], bits))


def without(forgotten: Callable[[Entry], bool]) -> Callable[[Patch], None]:
    """Replay does not see these lines, though they are there."""

    def apply(patch: Patch) -> None:
        init = Replay.__init__

        def forgetful(self: Replay, journal: Sequence[Entry]) -> None:
            init(self, [line for line in journal if not forgotten(line)])
            self.last_seq = max((line.seq for line in journal), default=-1)
            self.last_group = max((line.group for line in journal), default=-1)

        patch.setattr(Replay, "__init__", forgetful)

    return apply


def is_cancellation(line: Entry) -> bool:
    """A step that was called off."""
    return line.outcome == kinds.CANCELLED


def is_failure(line: Entry) -> bool:
    """A task that raised."""
    return line.kind == kinds.TASK and line.outcome == kinds.ERROR


def sets_in_any_order(patch: Patch) -> None:
    """Asyncio tasks hash by chance, as they do by their address without us."""
    dice = Random("sets")

    def init(self: Any, *args: Any, place: int, **options: Any) -> None:
        made(self, *args, place=dice.getrandbits(60), **options)

    made = scoping.ScopedTask.__init__
    patch.setattr(scoping.ScopedTask, "__init__", init)


def seen_before_it_is_on_disk(patch: Patch) -> None:
    """A result reaches the flow before its record is on the disk."""

    async def settle(self: Recording, line: Entry, scope: Any, me: Any) -> None:
        self.add(line)

    patch.setattr(Recording, "settle", settle)


def another_idempotency_key_each_time(patch: Patch) -> None:
    """The key of an effect says which life asks."""
    numbers = count()
    patch.setattr(Session, "idempotency_key", lambda self, key: f"{key} {next(numbers)}")


def delivered_without_rest(patch: Patch) -> None:
    """Results are handed over without waiting for the flow to come to rest."""
    patch.setattr(delivery, "QUIET", 0)
    patch.setattr(delivery.Delivery, "_stirring", lambda self: False)


@dataclass(frozen=True)
class Sabotage:
    """How an engine is broken, which laws may say so first, and in which programs."""

    breaks: Callable[[Patch], None]
    laws: frozenset[str]
    programs: Callable[[], list[Plan]] = mixed


ORDER = frozenset({"L2", "L3", "L4", "L5", "L7"})
"""What a flow that is told another story notices: it sees, does or returns something else, or asks for it."""

ENGINES = {
    "everything at once": Sabotage(everything_at_once, ORDER),
    "each group backwards": Sabotage(each_group_backwards, ORDER),
    "one by one": Sabotage(one_by_one, ORDER),
    "delivered without rest": Sabotage(delivered_without_rest, ORDER),
    "a counter for each run": Sabotage(a_counter_for_each_run, ORDER | {"L1"}, lambda: drawn(COMPLETIONS, WITHIN)),
    "sets in any order": Sabotage(sets_in_any_order, ORDER, lambda: drawn(RACES, WITHIN)),
    "cancellations forgotten": Sabotage(without(is_cancellation), ORDER | {"L1"}, lambda: drawn(CANCELS, WITHIN)),
    "failed attempts forgotten": Sabotage(without(lambda line: line.kind == kinds.ATTEMPT), frozenset({"L1"})),
    "failures forgotten": Sabotage(without(is_failure), frozenset({"L1"})),
    "sleeps forgotten": Sabotage(without(lambda line: line.kind == kinds.SLEEP), ORDER),
    "children forgotten": Sabotage(without(lambda line: line.kind == kinds.CHILD), ORDER),
    "readings of the clock forgotten": Sabotage(without(lambda line: line.kind == kinds.NOW), ORDER),
    "seen before it is on disk": Sabotage(seen_before_it_is_on_disk, frozenset({"L2", "L9"})),
    "another idempotency key each time": Sabotage(another_idempotency_key_each_time, frozenset({"L6"})),
}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_broken_engine_is_found_out(engine: str, loops: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage = ENGINES[engine]
    monkeypatch.setattr(lives, "STUCK", 2.0)
    monkeypatch.setattr(delivery, "GRACE", 0.1)
    programs = sabotage.programs()
    sabotage.breaks(monkeypatch)
    found = next(violations(programs, loops), "")
    assert found, f"{WITHIN} programs kept the laws"
    assert found[:2] in sabotage.laws, found


def violations(programs: Sequence[Plan], loops: Loops) -> Iterator[str]:
    """The law that each program breaks, and how; those that break none are passed over."""
    for number, plan in enumerate(programs):
        try:
            Program(plan, str(number), loops, Tally()).check()
        except Broken as error:
            yield f"{error}, in program {number}: {plan}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "programs",
    [mixed, lambda: drawn(RACES, WITHIN), lambda: drawn(CANCELS, WITHIN), lambda: drawn(COMPLETIONS, WITHIN)],
)
def test_the_engine_as_it_is_keeps_the_laws_in_the_same_programs(
    programs: Callable[[], list[Plan]], loops: Loops
) -> None:
    assert next(violations(programs(), loops), "") == ""
