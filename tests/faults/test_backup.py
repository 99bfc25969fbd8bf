"""A backup that is made while everything goes on, killed or not, and what is restored from it."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.operations.cli.asking import in_pages
from pipeline.operations.client import Client
from tests.support import commands
from tests.support.fault_kit import Sender, ask, config, hasty, publish_for, stored_ids
from tests.support.product import Product
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(3600)]

TABLES = 3
LOAD: dict[str, Any] = {"seconds": 600, "rate": 1_500, "tables": TABLES, "hot": 0.01}
RULE = """
groups:
  - name: faults
    table: faults.table_00
    rules: [{alert: Hot, measure: temperature, range: {max: 30}}]
"""


def run(folder: Path, *words: str, code: int = 0) -> str:
    """What a command prints when it has ended with this code."""
    output = folder / f"{words[0]}.out"
    output.unlink(missing_ok=True)
    process = commands.begin([*words], output)
    assert process.wait(120) == code, output.read_text()
    return output.read_text()


def options(product: Product) -> tuple[str, ...]:
    return ("--config", str(product.config_file), "--data-dir", str(product.data_dir))


def kill_after(folder: Path, words: tuple[str, ...], step: str) -> None:
    """Run a command, and kill it a moment after it has begun this step, or when it has ended."""
    output = folder / "killed.out"
    output.write_text("")
    process = commands.begin([*words], output)
    wait_for(lambda: step in output.read_text() or process.poll() is not None, f"{step!r} begins", every_s=0.002)
    process.send_signal(signal.SIGKILL)
    process.wait(60)


def everything(product: Product) -> dict[str, Any]:
    """What the product has besides its tables."""
    with product.client() as client:
        return {
            "alerts": {alert["id"]: alert for alert in pages(client, "alerts")},
            "dead_letters": {letter["id"]: letter["reason"] for letter in pages(client, "dead-letters")},
            "silences": [silence["id"] for silence in client.get("v1", "silences")["silences"]],
        }


def pages(client: Client, what: str) -> list[dict[str, Any]]:
    key = what.replace("-", "_")
    found: list[dict[str, Any]] = in_pages(client, "v1", what, parameters=[], key=key, limit=1_000_000)[key]
    return found


def rows(product: Product, table: int) -> pa.Table:
    with product.client() as client:
        return ask(client, f'SELECT * FROM "faults"."table_{table:02}" ORDER BY id')


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("source")
    (folder / "rules.yaml").write_text(RULE)
    text = config(TABLES, rules=[str(folder / "rules.yaml")], memory_limit="64MiB")
    with hasty(folder), Product(folder, text) as product:
        yield product


def test_what_is_restored_has_all_of_before_and_nothing_that_the_source_has_not(source: Product) -> None:
    """Backups are made, and killed, under load; the source goes on after the last one."""
    folder, to = source.folder, source.folder / "backups"
    with Sender(source, **LOAD, late=0.1, late_by=3, name="before") as before:
        publish_for(2)
        for step in ("history", "state", "log"):
            kill_after(folder, ("backup", str(to), *options(source)), step)
        run(folder, "backup", str(to), *options(source))
        whole = json.loads(run(folder, "backup", str(to), "--list", "--format", "json", *options(source)))["backups"]
        publish_for(2)
        before.stop()
        before.result()
    assert 1 <= len(whole) <= 2, "one, and perhaps one that was killed when it was made"
    with source.client() as client:
        (alert, *_) = wait_for(lambda: pages(client, "alerts"), "an alert fires")
        client.post("v1", "alerts", alert["id"], "ack", body={"by": "me", "why": "known"})
        client.post("v1", "silences", body={"matchers": ["rule=nothing"], "to": "1h", "by": "me", "why": "a test"})
    with Sender(
        source, seconds=600, rate=1_500, tables=TABLES, name="during", hot=0.01, first_id=2_000_000_000
    ) as during:
        publish_for(1)
        known = everything(source)
        told = run(folder, "backup", str(to), "--keep", "2", *options(source))
        publish_for(3)  # flushes, and trims the log, beyond what the backup has
        during.stop()
        during.result()
    wait_for(lambda: np.setdiff1d(during.acked, stored_ids(source, TABLES)).size == 0, "all is stored")
    assert "the backup of" in run(folder, "backup", str(to), "--verify", *options(source))
    new = folder / "restored"
    new.mkdir()
    restored = Product(new, source.config_file.read_text())
    kill_after(folder, ("restore", str(to), *options(restored)), "restoring")
    assert "did not finish here" in run(folder, "up", *options(restored), code=1)
    run(folder, "restore", str(to), *options(restored))
    with restored:
        ids = stored_ids(restored, TABLES)
        assert np.setdiff1d(before.acked, ids).size == 0, told
        for table in range(TABLES):
            had, has = rows(source, table), rows(restored, table)
            assert had.filter(pc.is_in(had["id"], has["id"])).equals(has)
        found = everything(restored)
        assert known["dead_letters"].items() <= found["dead_letters"].items()
        assert known["silences"] == found["silences"]
        assert known["alerts"].keys() <= found["alerts"].keys()
        assert found["alerts"][alert["id"]]["acknowledged"]["why"] == "known"
