"""Workers that share a bucket satisfy the same laws as workers that share a folder."""

from pathlib import Path

import pytest
from test_against_oracle import _rewrite
from workers_bench import T0, TABLE, Bench, partition_of

from store.errors import UnknownTable
from store.testing import Row


def row(number: int, value: float = 1.0) -> Row:
    return Row((("s", "1"),), T0 + number, (("v", value),))


PARTITION = partition_of(row(0))


def test_partitions_change_hands_and_tables_come_and_go_in_a_bucket(s3_url: str, tmp_path: Path) -> None:
    bench = Bench(s3_url)
    try:
        bench.write([row(0), row(10), row(10, 2.0)])
        bench.owners[PARTITION].flush()
        bench.write([row(20), row(5), row(0, 3.0)])
        bench.zombies.append(bench.owners[PARTITION])
        bench.take(PARTITION, 1 - bench.worker_of[PARTITION])
        bench.check()
        bench.owners[PARTITION].flush()
        bench.zombies[0].flush()
        assert bench.zombies[0].is_fenced
        bench.each(_rewrite)
        bench.write([row(5), row(30)])
        bench.check()

        other = bench.workers[1 - bench.worker_of[PARTITION]].catalog
        other.delete_table(TABLE)
        bench.owners[PARTITION].flush()
        with pytest.raises(UnknownTable):
            bench.found(0)
        bench.oracles.clear()
        bench.write([row(40)])
        bench.owners[PARTITION].flush()
        assert other.table(TABLE).incarnation == 2
        assert bench.found(0) == bench.found(1) == bench.expected()
    finally:
        bench.close()
