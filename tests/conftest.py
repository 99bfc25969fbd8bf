"""The lanes: which tests start processes, how many examples hypothesis makes, and an order that shares processes.

`make check` runs what is marked neither `processes` nor `soak`, and a test that is not marked may start none.
`make test` leaves out `soak`; `make soak` runs everything, with twenty times the examples.
"""

from __future__ import annotations

import atexit
import gc
import os
import re
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.fault_options import pytest_addoption

if TYPE_CHECKING:
    from tests.support.kafka_broker import Broker
    from tests.support.s3_server import S3Server

__all__ = ["pytest_addoption"]

# Time says nothing on a busy machine; a test names its number of examples by `examples`, if it is not the profile's.
for lane, count in {"check": 10, "test": 50, "soak": 1_000}.items():
    settings.register_profile(lane, deadline=None, max_examples=count, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("test")

# `up` of most tests needs no console, and would start one more process.
os.environ.setdefault("STREAMGAUGE_CONSOLE", '{"address": null}')

FOLDER = Path(__file__).parent
LONGEST = (
    "group/test_kill_tour_on_kafka.py",
    "faults/test_kill_tour.py",
    "faults/test_damaged_files.py",
    "pipeline/worker/test_migration.py",
    "faults/test_full_log.py",
    "end_to_end/test_life_of_up.py",
    "faults/test_power_loss.py",
    "faults/test_disk_errors.py",
    "fuzzing/test_fuzzing.py",
    "end_to_end/test_host_clock_is_set.py",
    "pipeline/base/tls/test_secure_product.py",
    "simulators/test_simulate_command.py",
)
"""What starts processes and takes longest, or has a fixture that does: begun first, so that nobody ends with it."""


ON_KAFKA = {"kafka", "kafka_bench"}
"""Fixtures that share a Kafka."""

STARTED = ON_KAFKA | {"chromium", "mosquitto", "s3", "product", "start_up", "checks_program"}
"""Fixtures that start a process."""


MARKED = re.compile(r"^pytestmark = .*pytest\.mark\.processes", re.MULTILINE)


def is_in_process(config: pytest.Config) -> bool:
    """Whether only tests run that start no process, as in `make check`."""
    return "not processes" in config.option.markexpr


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file that would be left out as a whole is not imported: it is the only one that needs some large library."""
    is_left_out = (
        is_in_process(config) and collection_path.suffix == ".py" and MARKED.search(collection_path.read_text())
    )
    return True if is_left_out else None


@pytest.hookimpl(wrapper=True)  # before any is left out by its mark; and when only those that run are there
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """What starts a process is marked; then put in order."""
    for item in items:
        if fixtures_of(item) & STARTED:
            item.add_marker("processes")
        if config.getoption("--hypothesis-profile") == "soak":
            item.add_marker(pytest.mark.timeout(7_200), append=False)  # before what the test says itself
    yield
    items[:] = in_order(items, getattr(config, "workerinput", {}).get("workercount", 1))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays until the end: the garbage collector need not look at it each time.

    At the end it must, or DuckDB's module is still there, and prints what it calls leaks.
    """
    atexit.register(gc.unfreeze)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def in_order(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Each worker of xdist begins with an equal part: the first with all that share a Kafka, the second with the rest
    of what starts processes, the longest first. What is left for the end, and for who is done first, are short ones.
    """
    place = {FOLDER / name: number for number, name in enumerate(LONGEST)}
    items = sorted(items, key=lambda item: place.get(item.path, len(place)))
    on_kafka = [item for item in items if fixtures_of(item) & ON_KAFKA]
    others = [item for item in items if not fixtures_of(item) & ON_KAFKA]
    started = [item for item in others if item.get_closest_marker("processes")]
    within = [item for item in others if not item.get_closest_marker("processes")]
    beside = max(0, len(items) // max(2, workers) - len(on_kafka))
    return [*on_kafka, *within[:beside], *started, *within[beside:]]


def fixtures_of(item: pytest.Item) -> set[str]:
    """Those that a test asks for, and those that it is told by a parameter to ask for."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return {*getattr(item, "fixturenames", ()), *(each for each in parameters if isinstance(each, str))}


@pytest.fixture(scope="session", autouse=True)
def _stays_in_process(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing that `make check` runs starts a process: one that does is to be marked."""
    with pytest.MonkeyPatch.context() as patch:
        if is_in_process(request.config):
            patch.setattr(subprocess.Popen, "__init__", _refuse)
        yield


@pytest.fixture(scope="session", autouse=True)
def _databases_are_lent() -> Iterator[None]:
    from tests.support.ducks import LentDuck

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("store.store.Duck", LentDuck)
        patch.setattr("store.testing.Duck", LentDuck)
        yield


@pytest.fixture(scope="session", autouse=True)
def _commands_are_forked() -> Iterator[None]:
    """Tests of how something is started execute it; all others leave out its imports."""
    from tests.support import commands

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "begin", commands.fork)
        yield
        commands.end_zygotes()


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """The broker that the tests of this process share, with a topic prefix per test; it must be left running."""
    from tests.support.kafka_broker import running_broker

    with running_broker() as broker:
        yield broker


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """The S3 server that the tests of this process share; each makes a bucket of its own."""
    from tests.support.s3_server import s3_server

    with s3_server() as server:
        yield server


def _refuse(_: object, command: object, *__: Any, **___: Any) -> None:
    raise AssertionError(f"this test starts a process, and is not marked so: {command!r}")
