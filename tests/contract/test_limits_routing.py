"""A node takes the runs of its queues that it has the tags for, and leaves versions to those who have them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.model.limits import Takes
from engine.ports.store import Store
from tests.contract.harness import new_run, node


async def taken(store: Store, takes: Takes, *, flows: Sequence[str] = ("f",), limit: int = 20) -> set[str]:
    return {run.id for run in await store.claim("node", now=150, limit=limit, flows=flows, takes=takes)}


async def test_a_node_takes_the_runs_of_its_queues_only(store: Store) -> None:
    await store.join(node())
    for queue in ("default", "mail", "reports"):
        await store.create(new_run(queue, queue=queue))
    assert await taken(store, Takes(queues=["mail", "nobody's"])) == {"mail"}
    assert await taken(store, Takes(queues=[])) == set()
    assert await taken(store, Takes()) == {"default", "reports"}


async def test_a_run_is_taken_where_there_is_all_that_it_requires(store: Store) -> None:
    await store.join(node())
    await store.create(new_run("nothing"))
    await store.create(new_run("gpu", requires=("gpu",)))
    await store.create(new_run("both", requires=("eu", "gpu")))
    assert await taken(store, Takes(tags=["eu"])) == {"nothing"}
    assert await taken(store, Takes(tags=["gpu"])) == {"gpu"}
    await store.create(new_run("odd", requires=("odd",)))
    assert await taken(store, Takes(tags=["gpu", "eu", "more"])) == {"both"}
    assert await taken(store, Takes(tags=None)) == {"odd"}


async def test_names_may_be_any_text(store: Store) -> None:
    await store.join(node())
    names = ("größe", 'a "quoted" one', "b\\c", "{x}")
    for name in names:
        await store.create(new_run(name, flow=name, queue=name, requires=(name,), version=name))
    for name in names:
        other = Takes(queues=[name], tags=[name], elsewhere=[(name, name)])
        assert await taken(store, other, flows=names) == set()
        assert await taken(store, Takes(queues=[name], tags=[name]), flows=names) == {name}


async def test_a_version_that_is_elsewhere_is_left_to_others(store: Store) -> None:
    await store.join(node())
    for flow in "fg":
        for version in "12":
            await store.create(new_run(f"{flow}{version}", flow=flow, version=version))
    assert await taken(store, Takes(elsewhere=[("f", "1")]), flows="fg") == {"f2", "g1", "g2"}
    assert await taken(store, Takes(), flows="fg") == {"f1"}


@pytest.mark.parametrize("takes", [Takes(queues=["b"]), Takes(tags=["x"], queues=["a"])])
async def test_what_nobody_here_takes_makes_nothing_due(store: Store, takes: Takes) -> None:
    await store.create(new_run("a", queue="a", requires=("gpu",)))
    await store.create(new_run("later", queue="a", requires=("gpu",), due=900))
    assert await store.next_due(flows=["f"], takes=takes) is None
    assert await store.next_due(flows=["f"], takes=Takes(tags=["gpu"])) in (0, 100)


async def test_each_kind_of_run_is_looked_at(store: Store) -> None:
    """However many of one kind stand in front, due at once or at a time."""
    await store.join(node())
    for n in range(30):
        await store.create(new_run(f"crowd-{n}", queue="crowd", due=100 if n % 2 else 0))
    for n, (queue, requires) in enumerate([("a", ()), ("a", ("t",)), ("crowd", ("t",)), ("z", ())]):
        await store.create(new_run(f"kind-{n}", queue=queue, requires=requires, due=120 if n % 2 else 0, rank=1))
    await store.create(new_run("version", queue="crowd", version="2", rank=1))
    kinds = {"kind-0", "kind-1", "kind-2", "kind-3", "version"}
    assert await taken(store, Takes(tags=["t"], elsewhere=[("f", "1")]), limit=5) == {"version"}
    found = await taken(store, Takes(tags=["t"]), limit=34)
    assert found >= kinds - {"version"}
    assert len(found) == 34


async def test_whoever_names_a_run_has_it_whatever_its_queue(store: Store) -> None:
    await store.join(node())
    run, _ = await store.create(new_run("a", queue="far", requires=("gpu",)))
    (mine,) = await store.claim("node", now=150, limit=1, flows=["f"], only=[run.num], takes=Takes(queues=["near"]))
    assert (mine.id, mine.queue, mine.requires) == ("a", "far", ("gpu",))


async def test_nodes_tell_what_they_take(store: Store, other: Store) -> None:
    plain = node("plain")
    chosen = node("chosen", versions=("2",), queues=("mail", "größe"), tags=("gpu",), concurrency=7)
    await store.join(plain)
    await store.join(chosen)
    assert sorted(await other.nodes(), key=lambda known: known.id) == [chosen, plain]
