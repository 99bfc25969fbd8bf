"""The gauges of a worker tell what is so."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.routing.plan import plan_of
from pipeline.base.process_metrics import ProcessMetrics
from pipeline.config import Config
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.partitions.partition import Partition
from pipeline.stream.progress import Progress
from pipeline.worker.gauges import MOST_TABLES, OTHERS, Gauges, by_label
from tests.support.lone_store import open_store


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


@pytest.mark.parametrize(("tables", "labels"), [(0, 0), (MOST_TABLES, MOST_TABLES), (MOST_TABLES + 3, MOST_TABLES + 1)])
def test_tables_have_a_label_each_up_to_a_hundred(tables: int, labels: int) -> None:
    counted = by_label((f"t{number:04}", 2) for number in range(tables))

    assert len(counted) == labels
    assert sum(count for _, count in counted) == 2 * tables
    assert dict(counted).get(OTHERS) == (6 if tables > MOST_TABLES else None)


def event(number: int, status: str, rule: str = "g/Hot") -> dict[str, Any]:
    data = {"id": f"a{number}", "rule": rule, "status": status, "since": "2026-11-23T10:00:00Z"}
    return {
        "account": "default",
        "table": "farm.climate",
        "zone": "north",
        "event": {"type": f"alert.{status}", "timestamp": "2026-11-23T10:00:00Z", "data": data},
    }


async def test_limits_room_alerts_and_deliveries_are_told(tmp_path: Path) -> None:
    silence = {"matchers": ["rule=g/Frost"], "by": "Ada", "why": "repair"}
    receiver = {"name": "growers", "webhook": {"url": "http://127.0.0.1:9/", "allow_private": True}}
    config = Config.model_validate(
        {"data_dir": tmp_path, "receivers": [receiver], "log": {"max_bytes": "3MiB"}, "silences": [silence]}
    )
    archive = AlertArchive(tmp_path / "alerts.sqlite")
    plan = plan_of(config)
    events = [event(1, "firing"), event(2, "firing"), event(2, "resolved"), event(3, "firing", "g/Frost")]
    archive.accept("log/alerts/0", 0, events, plan, now_ns=0)
    store = open_store(
        tmp_path / "store",
        magnetic_url=config.magnetic_url,
        memory_limit_bytes=64 << 20,
        templates={},
        clock_ns=time.time_ns,
    )
    progress = Progress(lambda: 1, lambda _: None, time.time_ns, applied_offset=0)

    nothing: Any = None  # normalise and rules are not looked at
    partitions = OwnedPartitions(1, [Partition(0, "log/readings/0", store, nothing, nothing, progress, 0)])

    gauges = Gauges(config, partitions, archive, lambda: plan)
    await gauges.often()
    await gauges.seldom()
    store.close()
    archive.close()

    assert value("streamgauge_rules_firing_alerts") == 2
    assert value("streamgauge_alerts_muted", reason="silenced") == 1
    assert value("streamgauge_alerts_muted", reason="inhibited") == 0
    assert value("streamgauge_alerts_active_silences") == 1
    assert value("streamgauge_alerts_waiting") == 0
    assert value("streamgauge_webhooks_queued", receiver="growers") == 3
    assert value("streamgauge_log_max_bytes") == 3 << 20
    assert value("streamgauge_store_memory_limit_bytes") == 1 << 30
    assert cast("float", value("streamgauge_log_disk_free_bytes")) > 0
    assert value("streamgauge_store_tables") == 0
    assert value("streamgauge_stream_lag_seconds") == 0


def test_what_a_process_takes_is_told_under_its_name_and_processor_time_only_grows() -> None:
    process_metrics = ProcessMetrics("test")
    process_metrics.update()
    first = cast("float", value("streamgauge_process_cpu_seconds_total", process="test"))
    with Path(os.devnull).open():
        process_metrics.update()

    assert cast("float", value("streamgauge_process_cpu_seconds_total", process="test")) >= first > 0
    assert cast("float", value("streamgauge_process_resident_bytes", process="test")) > 1 << 20
    assert cast("float", value("streamgauge_process_open_files", process="test")) >= 3
    assert abs(cast("float", value("streamgauge_process_start_time_seconds", process="test")) - time.time()) < 3600
