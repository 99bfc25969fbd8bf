"""The cost of series that come for the first time, in µs of CPU a message, beside that of known ones, step by step.

    .venv/bin/python benchmarks/new_series.py [--series 100000] [--batch 2000]

The reference load from frames to rules: every sensor sends once, in random order, in work batches of `--batch` messages
of 10 accounts; then every sensor sends again. CPU is that of the whole process (DuckDB's threads too), without the
decoding of frames.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import repository  # noqa: F401  # for tests.support
from deployment import RULES
from normalise import MESSAGES_A_FRAME, ROUTE, START_NS, frame_of

from pipeline.base.process import keep_existing_objects
from pipeline.log.frame import Frame
from pipeline.stream.normalise.normaliser import Normaliser
from rules import Engine, load_rules
from store.catalog.catalog import TableSettings
from tests.support.lone_store import PARTITION, LoneStore, open_store


class Worker:
    """The steps of the worker over one partition, with the CPU seconds of each."""

    def __init__(self, store: LoneStore, rules: Path) -> None:
        self.store = store
        self.normaliser = Normaliser([ROUTE], store.registry, PARTITION)
        self.engine = Engine(load_rules([rules]), store.registry)
        self.cpu_s: Counter[str] = Counter()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the CPU seconds of what follows."""
        began_s = time.process_time()
        yield
        self.cpu_s[name] += time.process_time() - began_s

    def take(self, frames: list[tuple[int, Frame]]) -> None:
        """One work batch."""
        with self.step("normalise"):
            batches = self.normaliser.normalise_many(frames).batches
        with self.step("store"):
            for batch in batches:
                self.store.apply(batch)
            self.store.advance(PARTITION, frames[-1][0])
        with self.step("rules"):
            for batch in batches:
                self.engine.evaluate(batch)

    def look(self) -> None:
        """What each query begins with: buffered rows and new series are inserted into DuckDB."""
        with self.step("insert"):
            for table in self.store.all_tables():
                table._core.memory.insert_head(time.monotonic_ns())  # noqa: SLF001  # this step alone

    def flush(self) -> None:
        """Everything becomes durable."""
        with self.step("flush"):
            self.store.flush()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=2_000, help="messages of a work batch")
    arguments = parser.parse_args()
    rng = random.Random(1)
    passes = []
    for number in range(2):
        sensors = rng.sample(range(arguments.series), arguments.series)
        groups = [sensors[at : at + MESSAGES_A_FRAME] for at in range(0, len(sensors), MESSAGES_A_FRAME)]
        first = number * (len(groups) + 5_000)  # each frame is a millisecond; devices send every 5 s
        passes.append([(first + i, frame_of(first + i, group, rng)) for i, group in enumerate(groups)])
    keep_existing_objects()  # as a worker does
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.yaml"
        rules.write_text(RULES)
        store = open_store(
            Path(folder),
            memory_limit_bytes=1 << 30,
            templates={(ROUTE.database, ROUTE.table): TableSettings(from_config=True)},
            clock_ns=lambda: START_NS,
        )
        worker = Worker(store, rules)
        found = []
        together = max(1, arguments.batch // MESSAGES_A_FRAME)
        for frames in passes:
            worker.cpu_s.clear()
            before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for at in range(0, len(frames), together):
                worker.take(frames[at : at + together])
                if at // together % 5 == 4:
                    worker.look()
            worker.look()
            worker.flush()
            memory_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
            found.append((dict(worker.cpu_s), memory_kib))
        store.close()
    print(f"{arguments.series} series, work batches of {arguments.batch}: µs CPU a message, first time and again")
    (new, new_kib), (known, _) = found
    for name in new:
        print(f"{name:12} {new[name] / arguments.series * 1e6:8.2f} {known[name] / arguments.series * 1e6:8.2f}")
    total_new, total_known = sum(new.values()), sum(known.values())
    print(f"{'in all':12} {total_new / arguments.series * 1e6:8.2f} {total_known / arguments.series * 1e6:8.2f}")
    print(f"{'extra':12} {(total_new - total_known) / arguments.series * 1e6:8.2f}")
    print(f"memory: {new_kib * 1024 / arguments.series:.0f} bytes a series")


if __name__ == "__main__":
    main()
