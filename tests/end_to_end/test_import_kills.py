"""An import whose server and whose command are killed at random comes to its end, and every row is there once."""

import json
import random
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support import commands
from tests.support.commands import Running
from tests.support.examples import times
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]

FILES, ROWS = 24, 5_000
T0 = 1_760_000_000_000_000_000
COUNT = 'SELECT count(*), count(DISTINCT time), sum(x) FROM "past"."rows"'


def write_files(folder: Path, rng: random.Random) -> None:
    """Files in the order of time, with rows of 50 sensors, out of order within each file."""
    folder.mkdir()
    for number in range(FILES):
        at = np.arange(ROWS) + number * ROWS
        rng.shuffle(order := list(range(ROWS)))
        table = pa.table(
            {
                "sensor": [f"s-{place % 50}" for place in at],
                "measure_name": ["m"] * ROWS,
                "time": pa.array(T0 + at * 1_000_001, pa.timestamp("ns")),
                "x": at.astype(np.float64),
            }
        )
        pq.write_table(table.take(order), folder / f"part-{number:02}.parquet", compression="snappy")


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    with Product(tmp_path) as made:
        yield made


def test_every_row_is_there_once(product: Product, tmp_path: Path) -> None:
    rng = random.Random(product.http)
    write_files(tmp_path / "export", rng)
    journal, output = tmp_path / "journal", tmp_path / "import.log"
    options = ["--table", "past.rows", "--create", "--journal", str(journal), "--format", "json"]

    def begin() -> Running:
        return commands.begin(
            ["--endpoint", f"http://{product.http}", "import", "unload", str(tmp_path / "export"), *options], output
        )

    def stored() -> int:
        try:
            state = json.loads((journal / "import.json").read_bytes())
            return sum(len(of["stored"]) for of in state["chunks"].values())
        except FileNotFoundError:
            return 0

    def has_come_to(files: int, importer: Running) -> bool:
        return stored() >= files or importer.poll() is not None

    importer = begin()
    for at in sorted(rng.choices(range(1, FILES - 1), k=times(3))):  # before the first file it tells who is not there
        wait_for(partial(has_come_to, at, importer), f"{at} files", timeout_s=300)
        if rng.random() < 0.5:
            product.kill("worker")
        elif importer.poll() is None:
            importer.send_signal(signal.SIGKILL)
            importer.wait(60)
            importer = begin()
    assert importer.wait(600) == 0, output.read_text()

    total = json.loads(output.read_text().splitlines()[-1])["total"]
    assert total["rows"] == total["new"] + total["same"] == FILES * ROWS
    assert (total["missing"], total["rejected"], total["hash"]) == (0, 0, total["stored_hash"])
    with product.client() as client:
        ((count, distinct, sum_x),) = client.post("v1", "query", body={"sql": COUNT}).json()["rows"]
    assert (count, distinct, sum_x) == (FILES * ROWS, FILES * ROWS, float(sum(range(FILES * ROWS))))
