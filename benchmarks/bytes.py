"""Bytes per value in both tiers, and the CPU of flush, compaction and sealing, for the reference load and for NAB.

    .venv/bin/python benchmarks/bytes.py [--sensors 500] [--hours 24] [--nab FOLDER]

A day of the reference load: what `simulators` publish, one message of four measures per sensor every 5 s, decoded from
the JSON that they send, in frames of 20 ms; flushed every 5 minutes, merged, and, once its day is over, compacted as
the worker does it. RAM: anonymous resident memory (RssAnon) of this process before and after, with all rows in it.
NAB: the folder `data` of the Numenta Anomaly Benchmark, one series per file. The same values of the first series, up to
500,000 rows, sorted in the same way, are also written by `pcodec`, `vortex-data` and `tsfile`, where these are
installed. About 3 minutes.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import importlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import repository  # noqa: F401  # for tests.support

from simulators.fleet import MEASURES, Fleet, Layout
from simulators.simulation import Simulation
from store.catalog.catalog import TableSettings
from store.record import MeasureType, RecordBatch, SeriesKey, TableId
from store.table.table import Table
from tests.support.lone_store import LoneStore, open_store

PARTITION = "bench/readings/0"
TABLE = TableId("default", "bench", "readings")
START_NS = 1_795_046_400_000_000_000  # 2026-11-19 00:00:00 UTC
DAY_NS = 86_400_000_000_000
FRAME_NS = 20_000_000
BATCH_ROWS = 4_000
FLUSH_NS = 300_000_000_000
COMPARED_ROWS = 500_000
LIBRARIES = ("pcodec", "vortex", "tsfile")


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """All rows in order of arrival: numbers of series, times, one array per measure; the arrays are in files."""

    series: npt.NDArray[np.int32]
    time_ns: npt.NDArray[np.int64]
    values: dict[str, npt.NDArray[np.float64]]
    keys: list[SeriesKey]

    @property
    def count(self) -> int:
        """The number of values."""
        return len(self.series) * len(self.values)


def reference_load(folder: Path, sensors: int, hours: float) -> Rows:
    """What the sensors of a fleet send."""
    fleet = Fleet(sensors=sensors, layout=Layout(regions=30, greenhouses=max(sensors // 600, 1), zones=4))
    simulation = Simulation(fleet, seed=1, start_ns=START_NS)
    most = round(sensors * hours * 3600 / fleet.interval_s)
    series = np.memmap(folder / "series", np.int32, "w+", shape=(most,))
    numbers = np.memmap(folder / "numbers", np.float64, "w+", shape=(1 + len(MEASURES), most))
    end = 0
    while end < most:
        batch = simulation.next_batch()
        part = slice(end, min(end + len(batch.sensors), most))
        series[part] = batch.sensors[: part.stop - end]
        decoded = [list(orjson.loads(payload).values()) for payload in batch.payloads[: part.stop - end]]
        numbers[:, part] = np.array(decoded).T
        end = part.stop
    levels = [topic.split("/")[1:] for topic in simulation.site.mqtt_topics]
    names = ("region", "greenhouse", "zone", "sensor")
    keys = [SeriesKey(tuple(sorted(zip(names, of, strict=True))), "climate") for of in levels]
    time_ns = np.memmap(folder / "times", np.int64, "w+", shape=(most,))
    time_ns[:] = numbers[0].astype(np.int64) * 1_000_000
    return Rows(series, time_ns, dict(zip(MEASURES, numbers[1:], strict=True)), keys)


def nab(folder: Path) -> Rows:
    """All series of the Numenta Anomaly Benchmark, as rows of one measure."""
    series, times, values, keys = [], [], [], []
    for path in sorted(folder.glob("*/*.csv")):
        with path.open() as file:
            rows = list(csv.DictReader(file))
        stamps = [datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC).timestamp() for row in rows]
        series.append(np.full(len(rows), len(keys), np.int32))
        times.append((np.array(stamps) * 1e9).astype(np.int64))
        values.append(np.array([float(row["value"]) for row in rows]))
        keys.append(SeriesKey((("file", path.stem),), "nab"))
    order = np.argsort(np.concatenate(times), kind="stable")
    return Rows(
        np.concatenate(series)[order],
        np.concatenate(times)[order],
        {"value": np.concatenate(values)[order]},
        keys,
    )


def batches(store: LoneStore, rows: Rows) -> Iterator[RecordBatch]:
    """The rows as the stream hands them to the store."""
    index = store.registry.of(TABLE)
    ids = np.array([index.id_of(key) for key in rows.keys], np.int32)
    for first in range(0, len(rows.series), BATCH_ROWS):
        part = slice(first, first + BATCH_ROWS)
        time_ns = np.array(rows.time_ns[part])
        yield RecordBatch(
            index,
            PARTITION,
            ids[rows.series[part]],
            time_ns,
            np.ones(len(time_ns), np.int64),
            np.maximum.accumulate((time_ns - rows.time_ns[0]) // FRAME_NS),
            time_ns,
            {name: pa.array(np.array(values[part])) for name, values in rows.values.items()},
            dict.fromkeys(rows.values, MeasureType.DOUBLE),
        )


class Cpu:
    """The CPU seconds of this process, all threads, by kind of work."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def of(self, what: str, work: Callable[[], object]) -> None:
        """Run `work`."""
        began_s = time.process_time()
        work()
        self.seconds[what] = self.seconds.get(what, 0.0) + time.process_time() - began_s


def anonymous_bytes() -> int:
    """The anonymous resident memory of this process, after the allocator has returned what is free."""
    ctypes.CDLL(None).malloc_trim(0)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["RssAnon"].split()[0]) * 1024


def merge_all(table: Table, now_ns: int) -> None:
    """Merge files until there is nothing to merge."""
    while groups := table.files_to_merge(now_ns):
        for group in groups:
            table.rewrite(group)


def measure(name: str, rows: Rows) -> None:
    """Store the rows; print bytes and CPU of each tier."""
    cpu = Cpu()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(
            Path(folder),
            partition=PARTITION,
            memory_limit_bytes=8 << 30,
            templates={("bench", "readings"): TableSettings(from_config=True)},
            clock_ns=time.time_ns,
        )
        batch = next(batches(store, rows))
        before, flushed_ns = anonymous_bytes(), int(rows.time_ns[0])
        quarter, at_quarter = len(rows.series) // 4, 0
        merges_ns = 0  # all files seem to have been written just now
        for number, batch in enumerate(batches(store, rows)):
            if at_quarter == 0 and number * BATCH_ROWS >= quarter:
                at_quarter = anonymous_bytes()
            cpu.of("apply", lambda: store.apply(batch))  # noqa: B023
            store.advance(PARTITION, int(batch.offset[-1]))
            now_ns = int(batch.time_ns[-1])
            if now_ns - flushed_ns >= FLUSH_NS:
                flushed_ns = now_ns
                table = store.to_read(TABLE)
                cpu.of("flush", store.flush)
                cpu.of("seal", lambda: (table.seal(), table.merge_chunks(1 << 30)))  # noqa: B023
                cpu.of("merge", lambda: merge_all(table, merges_ns))  # noqa: B023
        table = store.to_read(TABLE)
        table.close_chunk(0)
        cpu.of("flush", store.flush)
        cpu.of("seal", lambda: (table.seal(), table.merge_chunks(1 << 30)))
        resident = anonymous_bytes()
        flushed = sum(file.size_bytes for file in table.files())
        closed_ns = max(time.time_ns(), int(rows.time_ns[-1])) + DAY_NS
        cpu.of("compact", lambda: merge_all(table, closed_ns))
        files = [Path(folder) / "magnetic" / "default" / "bench" / "readings" / file.path for file in table.files()]
        print(f"\n{name}: {len(rows.series):,} rows, {rows.count:,} values, {len(rows.keys):,} series")
        tell("RAM, by RssAnon", resident - before, rows)
        tell("RAM, by RssAnon, the last three quarters", (resident - at_quarter) / 0.75, rows)
        tell("RAM, by DuckDB", store.table_bytes(), rows)
        tell("Parquet before the day is over", flushed, rows)
        tell(f"Parquet, compacted ({len(files)} files)", sum(path.stat().st_size for path in files), rows)
        by_column: dict[str, int] = {}
        for path in files:
            metadata = pq.read_metadata(path)
            for group in range(metadata.num_row_groups):
                for place in range(metadata.num_columns):
                    column = metadata.row_group(group).column(place)
                    by_column[column.path_in_schema] = (
                        by_column.get(column.path_in_schema, 0) + column.total_compressed_size
                    )
        for column_name, size in sorted(by_column.items(), key=lambda of: -of[1]):
            tell(f"  {column_name}", size, rows)
        for what, seconds in cpu.seconds.items():
            print(f"  CPU of {what:37s} {seconds / rows.count * 1e6:8.3f} s per million values")
        store.close()


def tell(what: str, size: float, rows: Rows) -> None:
    """Print a size."""
    print(f"{what:46s} {size / rows.count:8.3f} bytes a value")


def compare(rows: Rows) -> None:
    """Print what other formats take for the same values, sorted by series and time."""
    order = np.lexsort((rows.time_ns, rows.series))[:COMPARED_ROWS]
    repeats = (np.diff(rows.series[order]) == 0) & (np.diff(rows.time_ns[order]) == 0)
    order = order[np.append(True, ~repeats)]  # TsFile has one row of each time
    columns = {"time": rows.time_ns[order], **{name: np.array(of[order]) for name, of in rows.values.items()}}
    with tempfile.TemporaryDirectory() as folder:
        for library in LIBRARIES:
            try:
                importlib.import_module(library)
            except ImportError:
                print(f"{library:46s} not installed")
                continue
            began_s = time.process_time()
            count = len(order) * len(rows.values)
            size = {"pcodec": by_pcodec, "vortex": by_vortex, "tsfile": by_tsfile}[library](
                columns, rows.series[order], Path(folder)
            )
            seconds = (time.process_time() - began_s) / count * 1e6
            print(f"{library:46s} {size / count:8.3f} bytes a value, {seconds:.3f} s CPU per million values")


def by_pcodec(columns: dict[str, npt.NDArray[np.generic]], series: npt.NDArray[np.int32], _folder: Path) -> int:
    """The size of the values and times as chunks of 122,880 rows; series are not stored."""
    pcodec = importlib.import_module("pcodec")
    size = 0
    for values in columns.values():
        for first in range(0, len(series), 122_880):
            size += len(pcodec.standalone.simple_compress(values[first : first + 122_880], pcodec.ChunkConfig()))
    return size


def by_vortex(columns: dict[str, npt.NDArray[np.generic]], series: npt.NDArray[np.int32], folder: Path) -> int:
    """The size of a Vortex file."""
    vortex = importlib.import_module("vortex")
    vortex.io.write(vortex.array(pa.table({"series": series, **columns})), str(folder / "rows.vortex"))
    return (folder / "rows.vortex").stat().st_size


def by_tsfile(columns: dict[str, npt.NDArray[np.generic]], series: npt.NDArray[np.int32], folder: Path) -> int:
    """The size of a TsFile, with the encodings that it chooses."""
    tsfile = importlib.import_module("tsfile")
    names = [name for name in columns if name != "time"]
    kinds = [tsfile.ColumnSchema("series", tsfile.TSDataType.STRING, tsfile.ColumnCategory.TAG)]
    kinds += [tsfile.ColumnSchema(name, tsfile.TSDataType.DOUBLE, tsfile.ColumnCategory.FIELD) for name in names]
    path = folder / "rows.tsfile"
    with tsfile.TsFileTableWriter(str(path), tsfile.TableSchema("rows", kinds)) as writer:
        starts = np.flatnonzero(np.diff(series, prepend=-1))
        for first, end in zip(starts.tolist(), [*starts[1:].tolist(), len(series)], strict=True):
            tablet = tsfile.Tablet(
                ["series", *names], [tsfile.TSDataType.STRING, *[tsfile.TSDataType.DOUBLE] * len(names)], end - first
            )
            for row, at in enumerate(range(first, end)):
                tablet.add_timestamp(row, int(columns["time"][at]))
                tablet.add_value_by_name("series", row, str(series[at]))
                for name in names:
                    tablet.add_value_by_name(name, row, float(columns[name][at]))
            writer.write_table(tablet)
    return path.stat().st_size


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sensors", type=int, default=500)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--nab", type=Path, help="the folder `data` of the Numenta Anomaly Benchmark")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = reference_load(Path(folder), arguments.sensors, arguments.hours)
        measure("reference load", rows)
        compare(rows)
    if arguments.nab is not None:
        rows = nab(arguments.nab)
        measure("NAB", rows)
        compare(rows)


if __name__ == "__main__":
    main()
