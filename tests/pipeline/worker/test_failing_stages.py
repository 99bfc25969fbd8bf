"""A stage that fails for a reason that is not the data's ends the process; started again, nothing is missing.

Faust acknowledges an event whose agent raised, and goes on (its issues #606, #316): without the answer, the process
would live on without that stage, and its position would pass what was never processed.
"""

import asyncio
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from time import time_ns

import orjson
import pytest
from deltalake import DeltaTable

from pipeline.alerting.archive.sealing import seal_writes
from pipeline.config import Config
from pipeline.log import open_admin, open_appender
from pipeline.log.frame import FrameKind, encode_frame
from pipeline.log.topics import READINGS
from tests.pipeline.worker.processes.failing_worker import work
from tests.support.forked import fork
from tests.support.waiting import wait_for

pytestmark = pytest.mark.processes

FRAMES = 60
# parts of the worker, and at which of its calls each fails
PARTS = [
    ("readings_to_records", 1),
    ("records_to_store", 1),
    ("records_to_alerts", 2),
    ("alerts_to_webhooks", 1),
    ("dead_letters_to_archive", 2),
    ("maintenance", 1),
    ("trim", 1),
]
CONFIG = {
    "tables": [
        {
            "name": "farm.climate",
            "topics": "farm/{zone}/{sensor}",
            "zone": "{zone}",
            "time": {"field": "ts", "unit": "ms"},
        }
    ],
    "rules": ["rules.yaml"],
    "receivers": [],
}
RULES = {
    "groups": [
        {
            "name": "g",
            "table": "farm.climate",
            "rules": [{"alert": "Odd", "measure": "value", "range": {"max": 0.5}}],
        }
    ]
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log of 60 frames: each one reading that fires or resolves an alert, and one dead letter."""
    (tmp_path / "streamgauge.yaml").write_text(json.dumps(CONFIG))
    (tmp_path / "rules.yaml").write_text(json.dumps(RULES))
    asyncio.run(fill(tmp_path))
    return tmp_path


async def fill(folder: Path, life: int = 0) -> None:
    """Append the frames of a life."""
    appender = open_appender(replace(config_of(folder).log_settings, max_bytes=1 << 30, min_free_bytes=0))
    await appender.start()
    now_ms = time_ns() // 10**6 - FRAMES
    for number in range(FRAMES):
        payloads = [orjson.dumps({"ts": now_ms + number, "value": number % 2, "id": life * FRAMES + number}), b"{bad"]
        stamps = [(now_ms + number) * 10**6, (now_ms + number) * 10**6 + 1]
        frame = encode_frame(FrameKind.MQTT, stamps, ["default"] * 2, ["farm/north/s1"] * 2, payloads)
        await appender.append(READINGS, frame)
    await appender.stop()


def config_of(folder: Path) -> Config:
    return Config.model_validate({**CONFIG, "data_dir": folder / "data", "rules": [str(folder / "rules.yaml")]})


class Started:
    """A worker whose stage fails at its n-th batch; 0: never."""

    def __init__(self, folder: Path, stage: str, number: int) -> None:
        self._output = folder / "output"
        self._output.unlink(missing_ok=True)
        self._process = fork(work, folder / "streamgauge.yaml", folder / "data", stage, number, output=self._output)

    def ended(self) -> tuple[int | None, str]:
        """Its exit code, and what it said."""
        self._process.join(60)
        return self._process.exitcode, self._output.read_text()

    def end(self) -> tuple[int | None, str]:
        """End it gracefully once it is ready; its exit code, and what it said after that."""
        wait_for(lambda: self._output.exists() and "worker ready" in self._output.read_text(), "the worker is ready")
        self._process.terminate()
        code, said = self.ended()
        return code, said.partition("worker ready")[2].partition("\n")[2]


def is_complete(folder: Path, times: int = 1) -> bool:
    """Whether everything that leaves the stream is in the archives; what the store has is seen after its end."""
    return len(alerts(folder)) == times * FRAMES // 2 and len(letters(folder)) == times * FRAMES


def rows_of(path: Path, statement: str) -> list[tuple[object, ...]]:
    if not path.exists():
        return []
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return db.execute(statement).fetchall()
    except sqlite3.OperationalError:  # just being made
        return []
    finally:
        db.close()


def alerts(folder: Path) -> list[tuple[object, ...]]:
    return rows_of(folder / "data" / "alerts.sqlite", "SELECT id FROM alerts WHERE status = 'resolved'") + rows_of(
        folder / "data" / "alerts.sqlite", "SELECT id FROM alerts WHERE status = 'firing'"
    )


def letters(folder: Path) -> list[tuple[object, ...]]:
    return rows_of(folder / "data" / "dead_letters.sqlite", "SELECT id FROM letters")


def stored_ids(folder: Path) -> list[float]:
    """Of what the magnetic tier has: all, after a graceful end."""
    (table,) = (folder / "data" / "magnetic").glob("*/farm/climate")
    return sorted(DeltaTable(table).to_pyarrow_table()["id"].to_pylist())


@pytest.mark.timeout(600)
def test_a_part_that_fails_ends_the_process_and_after_restarts_nothing_is_missing(folder: Path) -> None:
    """One part after the other, each with new messages to process."""
    for life, (stage, number) in enumerate(PARTS):
        if life:
            asyncio.run(fill(folder, life))
        code, told = Started(folder, stage, number).ended()

        assert code == 1, stage
        assert "a test made this stage fail" in told, stage
        assert "replays the log from its positions" in told, stage
    healthy = Started(folder, "none", 0)
    wait_for(lambda: is_complete(folder, len(PARTS)), "everything is archived", timeout_s=60)

    assert healthy.end() == (0, "")
    assert stored_ids(folder) == list(range(len(PARTS) * FRAMES))


def test_nothing_after_the_failure_is_committed(folder: Path) -> None:
    """The store failed at its first batch: its position stays, and so does the log."""
    Started(folder, "records_to_store", 1).ended()
    admin = open_admin(config_of(folder).log_settings)
    extent = admin.extent(READINGS)
    admin.close()

    assert (extent.first, extent.next_offset) == (0, FRAMES)
    assert not (folder / "data" / "magnetic" / "default" / "farm").exists()


def test_a_log_put_back_to_an_older_state_ends_the_process_with_what_to_do(folder: Path) -> None:
    """Faust only stops when its consumer fails: the worker would answer questions for ever, and take in nothing."""
    healthy = Started(folder, "trim", 0)
    wait_for(lambda: is_complete(folder), "everything is archived", timeout_s=60)
    healthy.end()
    db = sqlite3.connect(folder / "data" / "alerts.sqlite")
    seal_writes(db)
    db.execute("UPDATE positions SET next_offset = next_offset + 1000")
    db.commit()
    db.close()

    code, told = Started(folder, "trim", 0).ended()

    assert code == 1
    assert "the log was restored to an older state. Move its folder away to start with an empty log" in told
