"""Metrics of several gateways on one data_dir, as they are scraped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.operations.cli.gateway import gateway

pytestmark = pytest.mark.processes

COUNT = """
import sys
from pathlib import Path
from pipeline.operations.cli.shared_metrics import share_metrics
from pipeline.base.layout import Layout, prepare
layout = Layout(Path(sys.argv[1]))
prepare(layout)
share_metrics(layout, sys.argv[2] or None)
from pipeline.base import metrics
metrics.messages_received.labels("1").inc(float(sys.argv[3]))
metrics.append_seconds.observe(0.2)
metrics.connections.set(3)
metrics.lag_s.set(float(sys.argv[3]))
from prometheus_client import CollectorRegistry, generate_latest
import os, pathlib
from pipeline.base.metrics_files import CollectorByGateway
registry = CollectorRegistry()
CollectorByGateway(registry, pathlib.Path(os.environ['PROMETHEUS_MULTIPROC_DIR']))
print(generate_latest(registry).decode())
"""


def count(folder: Path, *processes: tuple[str, int]) -> list[str]:
    """What the last of these processes scrapes; each counts so many messages under its name and ends."""
    page = ""
    for name, messages in processes:
        arguments = [str(folder), name, str(messages)]
        page = subprocess.run(
            [sys.executable, "-c", COUNT, *arguments], check=True, capture_output=True, text=True
        ).stdout
    return [line for line in page.splitlines() if "_created" not in line]


def of(page: list[str], name: str) -> list[str]:
    return sorted(line.removeprefix(name) for line in page if line.startswith((name + "{", name + " ")))


def test_each_gateway_has_its_label_and_counts_on_after_a_restart(tmp_path: Path) -> None:
    page = count(tmp_path, ("gateway-1", 5), ("gateway-2", 7), ("gateway-1", 1))

    assert of(page, "streamgauge_gateway_messages_total") == [
        '{gateway="gateway-1",qos="1"} 6.0',
        '{gateway="gateway-2",qos="1"} 7.0',
    ]
    assert of(page, "streamgauge_gateway_append_seconds_count") == [
        '{gateway="gateway-1"} 2.0',
        '{gateway="gateway-2"} 1.0',
    ]


def test_connections_of_ended_gateways_are_gone(tmp_path: Path) -> None:
    page = count(tmp_path, ("gateway-1", 5), ("gateway-2", 7))

    assert of(page, "streamgauge_gateway_connections") == ['{gateway="gateway-2"} 3.0']


def test_each_family_is_declared_once_and_what_is_not_a_gateways_is_added_up(tmp_path: Path) -> None:
    page = count(tmp_path, ("gateway-1", 5), ("", 4), ("gateway-2", 7))

    declared = [line.split()[2] for line in page if line.startswith("# TYPE")]
    assert len(declared) == len(set(declared))
    assert of(page, "streamgauge_stream_lag_seconds") == [" 7.0"]


def test_a_gateway_without_a_name_beside_named_ones_counts_without_label(tmp_path: Path) -> None:
    page = count(tmp_path, ("gateway-1", 5), ("", 4))

    assert of(page, "streamgauge_gateway_messages_total") == ['{gateway="gateway-1",qos="1"} 5.0', '{qos="1"} 4.0']


def test_without_names_nothing_has_the_label(tmp_path: Path) -> None:
    page = count(tmp_path, ("", 5), ("", 7))

    assert of(page, "streamgauge_gateway_messages_total") == ['{qos="1"} 12.0']
    assert not any("gateway=" in line for line in page)


@pytest.mark.parametrize("name", ["a_b", "A", "a.b", "", "x" * 64])
def test_a_name_that_a_file_name_cannot_hold_is_refused(name: str) -> None:
    result = CliRunner().invoke(gateway, ["--name", name])

    assert result.exit_code == 2
    assert "is not a name" in result.output
