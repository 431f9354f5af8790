"""What tests wait with: it ends as soon as it may, and says what it waited for when it may not."""

from __future__ import annotations

import pytest

from tests.support.polling import happens, until, wait_until


async def test_it_looks_again_until_the_condition_holds() -> None:
    looks = iter([False, 0, "now"])
    await until(lambda: next(looks))
    assert next(looks, "no more") == "no more"


async def test_a_condition_may_be_a_coroutine() -> None:
    looks = iter([False, True])

    async def reached() -> bool:
        return next(looks)

    assert await happens(reached, 1)
    assert not await happens(lambda: False, 0.01)


async def test_what_never_holds_is_told_with_its_code_and_its_circumstances() -> None:
    came: list[int] = []
    with pytest.raises(AssertionError, match=r"not within 0.01 s: .*len\(came\) == 3(.|\n)*came so far: \[\]"):
        await until(lambda: len(came) == 3, 0.01, tell=lambda: f"came so far: {came}")


def test_a_thread_waits_in_the_same_way() -> None:
    looks = iter([False, True])
    wait_until(lambda: next(looks))
    with pytest.raises(AssertionError, match="<built-in method"):
        wait_until([].copy, 0.01)
