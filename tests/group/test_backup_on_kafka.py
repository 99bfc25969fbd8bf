"""A backup of workers on Kafka needs no message that Kafka may have deleted: it waits until all are saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import commands
from tests.support.fault_kit import hasty
from tests.support.group_kit import ZONES, count, device, publish, shared_out
from tests.support.s3_server import S3Server
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]


def run(folder: Path, *words: str) -> str:
    output = folder / f"{words[0]}.out"
    code = commands.begin([*words], output).wait(200)
    assert code == 0, output.read_text()
    return output.read_text()


def test_a_backup_on_kafka_is_restored_without_its_messages(
    start: Any, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables, state and backups are in a bucket; what was sent after the backup comes from Kafka."""
    s3.make_bucket("ranch")
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    with hasty(tmp_path):
        product = start(sections={"magnetic": {"url": "s3://ranch/history"}})
        wait_for(lambda: shared_out(product), "each worker has partitions", timeout_s=60)
        with device(product) as sensor:
            publish(sensor, temperature=20.0)
            publish(sensor, temperature=21.0)
            config = tmp_path / "worker-0.yaml"
            made = ("--config", str(config), "--data-dir", str(tmp_path / "worker-0"))
            assert "s3://ranch/backups" in run(tmp_path, "backup", "s3://ranch/backups", *made)
            for worker in product.workers:
                worker.end()
            publish(sensor, temperature=22.0)
        elsewhere = {"magnetic": {"url": "s3://ranch/restored"}}
        other = tmp_path / "other.yaml"
        other.write_text(json.dumps({**json.loads(config.read_text()), **elsewhere}))
        restored = ("--config", str(other), "--data-dir", str(tmp_path / "worker-2"))

        told = run(tmp_path, "restore", "s3://ranch/backups", *restored)
        worker = product.add_worker(**elsewhere)

        assert told.count(": continues at offset ") == 4, told
        wait_for(lambda: count(worker) == 3 * len(ZONES), "everything is there", timeout_s=120)
