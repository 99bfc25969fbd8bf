"""CPU of the rules per value, bytes per signal, and size of their state: 20 rules of mixed kinds over 400,000 signals.

    .venv/bin/python benchmarks/rule_kinds.py [--sensors 100000] [--batch 20000] [--rounds 6]

Each round is a sample of four measures of every sensor, five seconds after the one before, in batches as they come to
the engine. A rule judges one value of each sensor (an expression two), so a round of 20 rules over 100,000 sensors is
2,000,000 values. Time is that of the CPU, of one thread. State is saved, compressed, after 200,000 rows: with 100,000
sensors every 10 s, or later if it is more than 80 MB. After a kill it is loaded, and what came since is evaluated
again: the last column.
Bounds are wide, so that nothing fires: an alert costs about 10 µs more.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import psutil
import pyarrow as pa

from pipeline.stream.rule_state.state import SAVE_AFTER_S, SAVE_BYTES_PER_S, SAVE_ROWS
from rules import Engine, RuleSet
from rules.files.parse import parse_rules
from store.record import MeasureType, RecordBatch, SeriesKey, SeriesRegistry, TableId
from store.state.compressed import compressed

TABLE = TableId("default", "agriculture", "readings")
STREAM = "0123456789abcdef/readings/0"
INTERVAL_S = 5
INTERVAL_NS = INTERVAL_S * 10**9
START_NS = 1_790_000_000 * 10**9
MEASURES = {"temperature": (21.0, 0.3), "humidity": (60.0, 1.0), "co2": (600.0, 8.0), "soil_moisture": (30.0, 0.2)}
KINDS = {
    "range": ["range: {min: -9000, max: 9000}, for: 2m", "range: {warning: {max: 9000}, critical: {max: 9999}}"],
    "range with bands": [
        "range: {max: 9999, time_zone: Europe/Berlin, bands: [{from: '22:00', to: '06:00', max: 9000}]}"
    ],
    "rate_of_change": ["rate_of_change: {min: -9999, max: 9999, per: 1m}"],
    "rate_of_change over": ["rate_of_change: {max: 9999, per: 1m, over: 5m}"],
    "flatline": ["flatline: {after: 1h}", "flatline: {after: auto}"],
    "expression": [
        "expression: {of: 0.61 * exp(17.3 * temperature / (temperature + 237)) * (1 - humidity / 100), max: 9}"
    ],
    "zone": ["zone: {of: average, over: 1m, max: 9999}"],
    "peers": ["peers: {over: 1m, min: -99, max: 99, noise: 1}"],
    "detector": [
        "detector: {every: 5s}"
    ],  # each value is judged; with `every: 1m` one in 12 is, the others are added up
    "count": ["count: {over: 1m, by: sensor, of: {min: 9000}, max: 4}"],
}
MIXED = (
    *("range", "range", "range", "range", "range with bands", "range with bands"),
    *("rate_of_change", "rate_of_change", "rate_of_change", "rate_of_change over", "rate_of_change over"),
    *("flatline", "flatline", "flatline", "expression", "expression", "zone", "zone", "peers", "range"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one set of rules costs."""

    us_per_value: float
    bytes_per_signal: float
    snapshot_bytes: int
    saved_bytes: int
    snapshot_s: float
    restore_s: float
    round_s: float
    save_every_s: float

    @property
    def saved_mb_per_s(self) -> float:
        """What is written."""
        return self.saved_bytes / 1e6 / self.save_every_s

    @property
    def replay_s(self) -> float:
        """After a kill just before the next save."""
        return self.restore_s + self.round_s * self.save_every_s / INTERVAL_S


def rules_of(kinds: tuple[str, ...]) -> RuleSet:
    """A rule of each of these kinds, over the measures by turns."""
    lines = []
    for place, kind in enumerate(kinds):
        body = KINDS[kind][place % len(KINDS[kind])]
        measure = "vpd" if kind == "expression" else [*MEASURES][place % 4]
        lines.append(f"      - {{alert: R{place}, measure: {measure}, {body}}}")
    text = "groups:\n  - name: g\n    table: agriculture.readings\n    rules:\n" + "\n".join(lines)
    rules, problems = parse_rules(text, "rules")
    assert not problems, problems
    return RuleSet(tuple(rules))


def batch(
    registry: SeriesRegistry, sensors: np.ndarray, turn: int, offset: int, rng: np.random.Generator
) -> RecordBatch:
    """One sample of four measures of each of these sensors."""
    count = len(sensors)
    time_ns = np.full(count, START_NS + turn * INTERVAL_NS, np.int64)
    values = {name: pa.array(rng.normal(mean, spread, count)) for name, (mean, spread) in MEASURES.items()}
    types = dict.fromkeys(MEASURES, MeasureType.DOUBLE)
    offsets = np.arange(offset, offset + count, dtype=np.int64)
    version = np.ones(count, np.int64)
    return RecordBatch(registry.of(TABLE), STREAM, sensors, time_ns, version, offsets, time_ns, values, types)


def measure(kinds: tuple[str, ...], sensors: int, size: int, rounds: int) -> Result:
    """The cost of rules of these kinds."""
    registry, rng = SeriesRegistry(), np.random.default_rng(1)
    index = registry.of(TABLE)
    for number in range(sensors):
        index.id_of(SeriesKey((("sensor", f"s-{number:06}"),), "climate"), f"zone-{number // 200:04}")
    process = psutil.Process()
    before = process.memory_info().rss
    engine = Engine(rules_of(kinds), registry)
    ids = np.arange(sensors, dtype=np.int32)
    spent_s = 0.0
    offset = 0
    for turn in range(rounds):
        for start in range(0, sensors, size):
            made = batch(registry, ids[start : start + size], turn, offset, rng)
            offset += len(made)
            begin_s = time.process_time()
            engine.evaluate(made)
            if turn:  # the first round makes room for all series
                spent_s += time.process_time() - begin_s
    grown = process.memory_info().rss - before
    begin_s = time.process_time()
    state = engine.snapshot(TABLE)
    saved = compressed(state)
    snapshot_s = time.process_time() - begin_s
    begin_s = time.process_time()
    Engine(rules_of(kinds), registry).restore(TABLE, state)
    restore_s = time.process_time() - begin_s
    values = (rounds - 1) * sensors * len(kinds)
    round_s = spent_s / (rounds - 1)
    save_every_s = max(min(SAVE_AFTER_S, SAVE_ROWS / (sensors / INTERVAL_S)), len(saved) / SAVE_BYTES_PER_S)
    return Result(
        *(spent_s / values * 1e6, grown / (sensors * 4), len(state), len(saved)),
        *(snapshot_s, restore_s, round_s, save_every_s),
    )


def main() -> None:
    """Print a line for each kind, and one for the mix."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sensors", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=6)
    given = parser.parse_args()
    names = ("µs/value", "B/signal", "state MB", "saved MB/s", "saving s", "replay s")
    print(f"{'rules':24}" + "".join(f"{name:>12}" for name in names), flush=True)
    for name, kinds in ({"20 mixed": MIXED} | {f"4 of {kind}": (kind,) * 4 for kind in KINDS}).items():
        one = measure(kinds, given.sensors, given.batch, given.rounds)
        size = f"{one.bytes_per_signal:.0f}" if kinds is MIXED else ""  # later ones use the memory of those before
        print(
            f"{name:24}{one.us_per_value:12.3f}{size:>12}{one.snapshot_bytes / 1e6:12.1f}"
            f"{one.saved_mb_per_s:12.2f}{one.snapshot_s:12.2f}{one.replay_s:12.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
