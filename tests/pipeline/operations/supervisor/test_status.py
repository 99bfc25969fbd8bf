from __future__ import annotations

from prometheus_client import REGISTRY

from pipeline.base import metrics
from pipeline.operations.supervisor import status
from pipeline.operations.supervisor.status import WorkerStatus, status_in

PAGE = """\
# HELP streamgauge_gateway_messages_total PUBLISH packets taken in
# TYPE streamgauge_gateway_messages_total counter
streamgauge_gateway_messages_total{qos="0"} 40.0
streamgauge_gateway_messages_total{qos="1"} 1.2e+06
streamgauge_gateway_messages_total_created{qos="1"} 9.0
streamgauge_gateway_connections 17.0
streamgauge_stream_lag_seconds 0.25
streamgauge_rules_alerts_total{status="firing"} 3.0
streamgauge_rules_alerts_total{status="resolved"} 2.0
"""


def test_statuses_are_summed_over_labels_and_alerts_count_when_they_fire() -> None:
    assert status_in(PAGE) == WorkerStatus(messages=1_200_040.0, alerts=3.0, lag_s=0.25, connections=17.0)


def test_what_the_page_does_not_hold_is_zero() -> None:
    assert status_in("") == WorkerStatus(0.0, 0.0, 0.0, 0.0)


def test_the_names_are_those_of_the_metrics() -> None:
    assert metrics.alerts is not None
    known = {sample.name for family in REGISTRY.collect() for sample in family.samples} | {
        f"{family.name}_total" for family in REGISTRY.collect() if family.type == "counter"
    }

    assert {status.MESSAGES, status.ALERTS, status.LAG, status.CONNECTIONS} <= known
