from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

COUNT = """
import sys
from pathlib import Path
from pipeline.operations.cli.shared_metrics import share_metrics
from pipeline.base.layout import Layout, prepare
layout = Layout(Path(sys.argv[1]))
prepare(layout)
share_metrics(layout)
from pipeline.base import metrics
metrics.messages_acknowledged.inc(5)
metrics.connections.set(3)
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


def test_counts_of_ended_processes_stay_and_their_live_gauges_go(tmp_path: Path) -> None:
    _run(tmp_path)

    page = _run(tmp_path)

    assert "streamgauge_gateway_acknowledged_total 10.0" in page
    assert "streamgauge_gateway_connections 3.0" in page


def test_live_gauges_of_running_processes_stay(tmp_path: Path) -> None:
    (tmp_path / "run" / "metrics").mkdir(parents=True)
    mine = tmp_path / "run" / "metrics" / f"gauge_livesum_{os.getpid()}.db"
    other = tmp_path / "run" / "metrics" / "gauge_livesum_4194304.db"  # above the largest pid Linux gives
    mine.touch()
    other.touch()

    script = COUNT.partition("from pipeline.base import metrics")[0]
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)

    assert mine.exists()
    assert not other.exists()


def test_a_file_that_was_only_just_made_by_a_process_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "run" / "metrics").mkdir(parents=True)
    (tmp_path / "run" / "metrics" / "counter_4194304.db").touch()
    (tmp_path / "run" / "metrics" / "histogram_gateway-1.4194304.db").touch()

    page = _run(tmp_path)

    assert "streamgauge_gateway_acknowledged_total 5.0" in page


def test_it_is_refused_once_prometheus_has_chosen(tmp_path: Path) -> None:
    script = "import prometheus_client" + COUNT

    with pytest.raises(subprocess.CalledProcessError) as ended:
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True)

    assert b"too late" in ended.value.stderr


def _run(data_dir: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", COUNT, str(data_dir)], check=True, capture_output=True, text=True
    ).stdout
