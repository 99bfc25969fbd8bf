"""After any life a scheduled query has stored what its statement says of all rows: late ones, new versions, kills."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from scheduled_requests import MINUTE_NS, TARGET, request_of, run_due
from timestream_service import Service

from store.endpoint import WriteRecord
from store.record import Applied, TableId

WINDOW = 10  # minutes, which a run computes anew
LATE = 8
MEANS = """SELECT host, bin(time, 1m) AS minute, avg(measure_value::double) AS mean, count(*) AS n, max(time) AS newest
FROM db.t WHERE {where} GROUP BY host, bin(time, 1m)"""
UPTO = "bin(@scheduled_runtime, 1m)"
STORED = "SELECT host, time, average, n, newest FROM db.sums ORDER BY host, time"
COLUMNS = "host, minute, mean, n, newest"


class Stop(BaseException):
    """The process is killed."""


class Life:
    """Rows that come in at random, and runs of a query, some of which are killed."""

    def __init__(self, service: Service, rng: random.Random) -> None:
        self.service, self.rng = service, rng
        self.versions: dict[tuple[str, int], int] = {}

    def write(self, count: int) -> None:
        """Rows of the last minute; one in five is late by minutes, or a new version of one that is there."""
        now_ns, records = self.service.clock.now_ns, []
        for _ in range(count):
            minutes = LATE if self.rng.random() < 0.2 else 1
            host, time_ns = self.rng.choice("abc"), now_ns - self.rng.randrange(minutes * MINUTE_NS)
            recent = [key for key in self.versions if key[1] > now_ns - LATE * MINUTE_NS]
            if recent and self.rng.random() < 0.2:
                host, time_ns = self.rng.choice(recent)
            version = self.versions[host, time_ns] = self.versions.get((host, time_ns), 0) + 1
            records.append(
                {
                    "Dimensions": [{"Name": "host", "Value": host}],
                    "MeasureName": "cpu",
                    "MeasureValue": str(self.rng.randrange(1000)),
                    "Time": str(time_ns),
                    "TimeUnit": "NANOSECONDS",
                    "Version": version,
                }
            )
        self.service.ok("WriteRecords", DatabaseName="db", TableName="t", Records=records)

    def run(self, *, is_killed: bool) -> None:
        """Run what is due; if it is killed, that is before its records are stored or after."""
        writer, is_after = self.service.writer, self.rng.random() < 0.5
        plain = writer.write

        async def killed(table: TableId, records: Sequence[WriteRecord]) -> Applied:
            if is_after:
                await plain(table, records)
            raise Stop

        if is_killed:
            writer.write = killed  # type: ignore[method-assign]
        try:
            run_due(self.service)
        except Stop:
            self.service.clock.now_ns += 1
        finally:
            writer.write = plain  # type: ignore[method-assign]

    def rows(self, sql: str) -> list[list[str | None]]:
        answer = self.service.ok("Query", QueryString=sql)
        return [[value.get("ScalarValue") for value in row["Data"]] for row in answer["Rows"]]


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_stored_is_what_all_rows_say(service: Service, made: Any, query: Any, seed: int) -> None:
    life = Life(service, random.Random(seed))
    where = f"time >= {UPTO} - {WINDOW}m AND time < {UPTO}"
    query.create_scheduled_query(**request_of(target=TARGET, QueryString=MEANS.format(where=where)))
    for step in range(12):
        life.write(12)
        service.clock.now_ns += MINUTE_NS
        life.run(is_killed=step % 3 == 1)
    life.run(is_killed=False)

    end = f"bin(from_nanoseconds({service.clock.now_ns}), 1m)"
    want = life.rows(f"SELECT {COLUMNS} FROM ({MEANS.format(where=f'time < {end}')}) ORDER BY 1, 2")
    assert life.rows(STORED) == want
    assert len(want) > 20
    assert max(life.versions.values()) > 1
