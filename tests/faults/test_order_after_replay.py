"""One key sent with other values again and again while everything is killed: it never goes back to an older value."""

import itertools
import threading
import time
from pathlib import Path

import pytest

from tests.support.fault_kit import HTTP_ERRORS, ask, caught_up, config, device, hasty, publish
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]


class Watcher(threading.Thread):
    """Reads the key's value all the while; `values` are those seen, in order."""

    def __init__(self, product: Product) -> None:
        super().__init__()
        self.values: list[int] = []
        self.most_rows = 0
        self._product = product
        self._stop_asking = threading.Event()

    def run(self) -> None:
        while not self._stop_asking.wait(0.02):
            try:
                with self._product.client() as client:
                    client.get("readyz")  # refused while it replays
                    rows = ask(client, 'SELECT n FROM "faults"."table_00"').to_pylist()
            except HTTP_ERRORS:
                continue
            self.most_rows = max(self.most_rows, len(rows))
            self.values += [int(row["n"]) for row in rows]

    def stop(self) -> None:
        self._stop_asking.set()
        self.join()


def test_a_key_ends_with_the_value_sent_last_and_never_goes_back(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = request.config.getoption("--fault-kills")
    ts_ms = time.time_ns() // 1_000_000
    numbers = itertools.count(1)
    with hasty(tmp_path), Product(tmp_path, config()) as product, device(product) as client:
        watcher = Watcher(product)
        watcher.start()
        try:
            for victim in ("worker", "gateway", "worker") * max(1, kills // 2):
                for _ in range(20):
                    last = next(numbers)
                    publish(client, {"ts": ts_ms, "n": last})
                product.kill(victim)
            wait_for(lambda: caught_up(product), "everything is applied")
            wait_for(lambda: watcher.values and watcher.values[-1] == last, f"the value is {last}, which was sent last")
        finally:
            watcher.stop()

    assert watcher.most_rows == 1
    assert watcher.values == sorted(watcher.values)
