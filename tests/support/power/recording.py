"""A real run of the product whose disk is recorded: `streamgauge up` under load, restarted in the middle."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.fault_kit import hasty
from tests.support.power.journal import Record, Recorder
from tests.support.power.load import BEFORE_MS, CONNECTIONS, DATABASE, RULE_MAX, TABLE, Publisher, Tables
from tests.support.product import Product

RULES = f"""\
groups:
  - name: power
    table: {DATABASE}.{TABLE}
    rules: [{{alert: High, measure: value, range: {{max: {RULE_MAX}}}}}]
"""
DATA = "data"  # below the recorder's root, so that the name of the data_dir is on the disk, too


def config(folder: Path, *, http: str = "127.0.0.1:0") -> str:
    """The configuration, with its rule file in `folder`. Nobody listens where alerts are posted."""
    rules = folder / "rules.yaml"
    rules.write_text(RULES)
    return json.dumps(
        {
            "listener": {"address": "127.0.0.1:0"},
            "http": {"address": http},
            "tables": [
                {
                    "name": f"{DATABASE}.{TABLE}",
                    "topics": "power/{site}/{sensor}",
                    "zone": "{site}",
                    "time": {"field": "ts", "unit": "ms"},
                }
            ],
            "rules": [str(rules)],
            "receivers": [{"name": "nobody", "webhook": {"url": "http://127.0.0.1:9/", "allow_private": True}}],
        }
    )


class ProductOnDisk(Product):
    """`streamgauge up` whose data_dir is on the recorder's disk; it is not recorded."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder.folder, config(recorder.folder))
        self.data_dir = recorder.root / DATA
        self.recorder = recorder


class RecordedProduct(ProductOnDisk):
    """The same, recorded."""

    def start(self) -> None:
        with self.recorder.preloaded():
            super().start()


@dataclass(frozen=True)
class Recording:
    """What was recorded."""

    recorder: Recorder
    records: list[Record]


@contextmanager
def under_load(product: Product, publishers: list[Publisher], tables: Tables | None = None) -> Iterator[None]:
    """Publish and write within the block; after it, everything is acknowledged."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def run(work: Publisher | Tables, address: str) -> None:
        try:
            work.run(address, stop)
        except BaseException as error:  # noqa: BLE001  # raised below, in the test's thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(publisher, product.mqtt)) for publisher in publishers]
    if tables is not None:
        threads.append(threading.Thread(target=run, args=(tables, product.http)))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for failure in failures:
        raise failure


def record(folder: Path, *, seconds: float, rate: float, **settings: str) -> Recording:
    """Run the product for about `seconds` under load with a graceful restart halfway; `settings`: of `hasty`."""
    recorder = Recorder(folder, folder / "disk")
    recorder.root.mkdir(parents=True)
    start_ms = time.time_ns() // 1_000_000 - BEFORE_MS
    recorder.mark(f"start {start_ms}")
    publishers = [Publisher(recorder, number, start_ms, rate) for number in range(CONNECTIONS)]
    tables = Tables(recorder)
    product = RecordedProduct(recorder)
    with hasty(folder, FAULT_CHECKPOINT_COMMITS="8", FAULT_KEEP_S="1", **settings):
        for _ in range(2):
            with product:
                recorder.delay_syncs(0.002)
                with under_load(product, publishers, tables):
                    time.sleep(seconds / 2)  # the duration is what is recorded
    return Recording(recorder, recorder.records())
