"""What two accounts that ask for everything do to the others: the stream's lag, and a cheap query of a third account.

    .venv/bin/python benchmarks/hostile_queries.py -s 60

Under the reference load of `run.py` (20,000 messages/s over 20 connections), accounts 1 and 2 ask in four threads each,
without a pause, for what takes too much time, memory, text or rows. Account 3 asks for a count of its last minute.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import threading
import time
from collections import Counter

import numpy as np
from deployment import ACCOUNTS, Usage, token
from probes import percentiles_ms
from run import MIB, result_of, running, send

from pipeline.base.errors import ServerRefused, ServerUnreachable
from tests.support.product import Product

TABLE = '"agriculture"."readings"'
NUMBERS = f"(SELECT x FROM (VALUES {', '.join(map(str, range(1000)))}) AS v(x))"
HEAVY = {
    "time": f"SELECT count(*) FROM {NUMBERS} a, {NUMBERS} b, {NUMBERS} c, {NUMBERS} d WHERE a.x + b.x > c.x + d.x",
    "memory": f"SELECT a.x, b.x FROM {NUMBERS} a, {NUMBERS} b, {NUMBERS} c ORDER BY a.x + b.x + c.x",
    "rows": f"SELECT * FROM {TABLE}",
    "sort": f"SELECT sensor, avg(temperature), count(*) FROM {TABLE} GROUP BY sensor ORDER BY 2",
    "join": f"SELECT count(*) FROM {TABLE} a JOIN {TABLE} b ON a.zone = b.zone AND a.time < b.time",
    "text": "SELECT 1 WHERE " + " AND ".join(["1 = 1"] * 11_000),
}
CHEAP = f"SELECT count(*) FROM {TABLE} WHERE time > ago(1m)"
WARM_S = 15.0


class Asking:
    """Queries of one account from one thread, until stopped."""

    def __init__(self, product: Product, account: int, texts: list[str], every_s: float = 0.0) -> None:
        self.seconds: list[float] = []
        self.outcomes: Counter[str] = Counter()
        self._client = product.client(token(account))
        self._texts = itertools.cycle(texts)
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            began_s = time.monotonic()
            try:
                self._client.post("v1", "query", body={"sql": next(self._texts)})
                self.outcomes["answered"] += 1
            except (ServerRefused, ServerUnreachable) as error:
                self.outcomes[str(error)[:90]] += 1
            self.seconds.append(time.monotonic() - began_s)

    def stop(self) -> None:
        """Ask no more; does not wait for the last answer."""
        self._stopping.set()


def lags(product: Product, stopping: threading.Event, found: list[float]) -> None:
    """The stream's lag, ten times a second."""
    with product.client() as client:
        while not stopping.wait(0.1):
            try:
                found.append(client.get("readyz")["lag_seconds"] or 0.0)
            except (ServerRefused, ServerUnreachable):  # it is more than 10 s behind
                found.append(10.0)


def main() -> int:
    """Run and print; 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-s", "--seconds", type=float, default=60.0, help="of load (default 60)")
    seconds = parser.parse_args().seconds
    with running() as (started, _):
        usage = Usage({"worker": started.pid("worker")})
        sender = send(started.mqtt, "bulk", seconds + WARM_S, ACCOUNTS)
        time.sleep(WARM_S)
        cheap = Asking(started, 3, [CHEAP], every_s=0.2)
        found: list[float] = []
        stopping = threading.Event()
        threading.Thread(target=lags, args=(started, stopping, found), daemon=True).start()
        time.sleep(seconds / 4)
        alone, before = len(cheap.seconds), len(found)
        texts = list(HEAVY.values())
        heavy = [Asking(started, 1 + n % 2, texts[n % len(texts) :] + texts[: n % len(texts)]) for n in range(8)]
        sent = result_of(sender)
        stopping.set()
        usage.stop()
        for asking in (cheap, *heavy):
            asking.stop()
        outcomes = sum((asking.outcomes for asking in heavy), Counter[str]())
        print(f"messages/s acknowledged: {sent['acknowledged'] / sent['seconds']:,.0f}")
        print(f"lag alone p50 / p99, ms: {percentiles_ms(found[:before])}; with heavy queries: ", end="")
        print(f"{percentiles_ms(found[before:])}, at most {max(found[before:], default=0) * 1000:.0f}")
        print(f"cheap query alone p50 / p99, ms: {percentiles_ms(cheap.seconds[:alone])}; with heavy queries: ", end="")
        print(f"{percentiles_ms(cheap.seconds[alone:])}, at most {np.max(cheap.seconds[alone:]) * 1000:.0f}")
        print(f"cheap queries: {dict(cheap.outcomes)}")
        print(f"heavy queries: {json.dumps(outcomes, indent=1)}")
        print(f"peak of the worker's memory: {usage.peak_rss['worker'] / MIB:,.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
