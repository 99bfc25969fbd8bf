"""For random rows, names, bins and time ranges, SQL has the results that are computed by hand from the rows."""

import math
import random
from collections import defaultdict
from pathlib import Path

import pytest
from sql_database import NOW_NS, Database

from store.endpoint import WriteRecord
from store.record import MeasureType
from store.sql.values import format_timestamp

MINUTE_NS = 60_000_000_000
NAMES = ["plain", "Upper Case", 'quo"te', "it's", "dash-and.dot", "select", "☃ snow", "-- comment", "%", "a;b"]
UNITS = {"m": MINUTE_NS, "s": 1_000_000_000, "h": 60 * MINUTE_NS, "ms": 1_000_000}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def random_records(rng: random.Random, dimension: str, measure: str) -> list[WriteRecord]:
    made: dict[tuple[str, int], WriteRecord] = {}
    for _ in range(300):
        host = rng.choice(NAMES)
        time_ns = NOW_NS - rng.randrange(300 * MINUTE_NS)
        values: list[tuple[str, MeasureType, float | int]] = [(measure, MeasureType.DOUBLE, rng.uniform(-100, 100))]
        if rng.random() < 0.6:
            values.append(("n", MeasureType.BIGINT, rng.randrange(-(2**50), 2**50)))
        made[host, time_ns] = WriteRecord(((dimension, host),), "m", time_ns, 1, tuple(values))
    return list(made.values())


@pytest.mark.parametrize("seed", range(5))
def test_bins_ranges_and_names_are_as_computed_by_hand(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    db = Database(tmp_path / "store")
    dimension, measure = rng.sample([name for name in NAMES if '"' not in name], 2)
    table = rng.choice(["t", "my.table-1", "select"])
    records = random_records(rng, dimension, measure)
    cut = rng.randrange(1, len(records))
    db.write("data-base.1", table, records[:cut])
    db.store.flush()
    db.write("data-base.1", table, records[cut:])
    for _ in range(10):
        number, unit = rng.randrange(1, 90), rng.choice(list(UNITS))
        step_ns = number * UNITS[unit]
        from_ns = NOW_NS - rng.randrange(310 * MINUTE_NS)
        to_ns = from_ns + rng.randrange(310 * MINUTE_NS)
        hosts = rng.sample(NAMES, rng.randrange(1, 5))
        asked = db.rows(
            f"SELECT bin(time, {number}{unit}) AS b, {quoted(dimension)} AS {quoted(rng.choice(NAMES))}, "
            f"avg({quoted(measure)}), min({quoted(measure)}), max(time), count(n), count(*), sum(n) "
            f'FROM "data-base.1".{quoted(table)} '
            f"WHERE time >= '{format_timestamp(from_ns)}' AND time < from_nanoseconds({to_ns}) "
            f"AND {quoted(dimension)} IN ({', '.join(map(text, hosts))}) "
            f"GROUP BY b, {quoted(dimension)} ORDER BY b DESC, {quoted(dimension)}"
        )

        groups: dict[tuple[int, str], list[WriteRecord]] = defaultdict(list)
        for record in records:
            host = record.dimensions[0][1]
            if host in hosts and from_ns <= record.time_ns < to_ns:
                groups[record.time_ns // step_ns * step_ns, host].append(record)
        expected = sorted(sorted(groups, key=lambda key: key[1].encode()), key=lambda key: -key[0])
        assert [(row[0], row[1]) for row in asked] == [(format_timestamp(start), host) for start, host in expected]
        for row, key in zip(asked, expected, strict=True):
            group = groups[key]
            values = [float(record.values[0][2]) for record in group]
            numbers = [int(record.values[1][2]) for record in group if len(record.values) > 1]
            assert math.isclose(float(str(row[2])), math.fsum(values) / len(values), abs_tol=1e-9)
            assert float(str(row[3])) == min(values)
            assert row[4] == format_timestamp(max(record.time_ns for record in group))
            assert row[5:] == (str(len(numbers)), str(len(group)), str(sum(numbers)) if numbers else None)
    db.store.close()
