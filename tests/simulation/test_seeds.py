"""Whatever the order of events, and whatever fails: what is acknowledged is stored, alerted and delivered."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
from collections.abc import Iterable

import pytest

from tests.simulation.checker import Broken
from tests.simulation.plants import Plant
from tests.simulation.world import World, simulate


def simulate_all(seeds: Iterable[int], *, is_told: bool = False) -> None:
    for seed in seeds:
        world = simulate(seed, is_told=is_told)
        if is_told:
            print("\n".join(world.history))  # noqa: T201  # pytest -s shows what happens in this world
        if seed % 10 == 9:
            gc.collect()


def test_every_law_holds_under_every_seed(seeds: range, request: pytest.FixtureRequest) -> None:
    is_asked = request.config.getoption("--simulation-seed") is not None

    simulate_all(seeds, is_told=is_asked)


def test_every_law_holds_while_rows_are_deleted(some_seeds: range) -> None:
    def delete(world: World) -> None:
        world.has_deletes = True

    for seed in some_seeds:
        simulate(seed, delete)


def test_a_planted_fault_is_found(plant: Plant) -> None:
    with plant.planted(), pytest.raises(Broken) as found:
        simulate_all(plant.seeds())

    broken = str(found.value).partition("\n")[0]
    assert re.search(plant.law, broken), "another law than its own has found it"
    assert not re.search("TypeError|AttributeError|NameError", broken), "the plant itself is broken"


def test_a_seed_repeats_its_history_exactly() -> None:
    once, again, other = simulate(7), simulate(7), simulate(8)

    assert once.history == again.history
    assert once.digest() != other.digest()


@pytest.mark.processes
def test_a_seed_repeats_its_history_in_another_process() -> None:
    """There sets of texts have another order."""
    code = "from tests.simulation.world import simulate; print([simulate(seed).digest() for seed in range(5)])"

    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": number},
            check=True,
            capture_output=True,
            text=True,
            timeout=100,
        ).stdout
        for number in ("1", "2")
    }

    assert len(told) == 1


def test_what_is_broken_names_its_seed_and_how_to_repeat_it() -> None:
    def forget(world: object) -> None:
        world.broken("a law")  # type: ignore[attr-defined]

    with pytest.raises(Broken, match=r"seed 3: a law(.|\n)*--simulation-seed 3"):
        simulate(3, forget)
