"""The Grafana board and the Prometheus alerts ask for metrics that there are, in PromQL that Prometheus reads."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
import yaml
from deploy_files import DEPLOY, Checks
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from pipeline.base import metrics

BOARD = json.loads((DEPLOY / "grafana" / "streamgauge.json").read_text(encoding="utf-8"))
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
OF_PROMETHEUS = {"up"}


def series() -> set[str]:
    """The name of every series of the product, as Prometheus has it."""
    found: set[str] = set()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            name = metric._name + ("_total" if isinstance(metric, Counter) else "")
            found |= (
                {f"{name}_{part}" for part in ("bucket", "sum", "count")} if isinstance(metric, Histogram) else {name}
            )
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in BOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """What the panels ask, with Grafana's own variable filled in as it would be."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [expression.replace("$__rate_interval", "1m") for expression in asked]


def test_each_name_that_begins_as_ours_is_a_metric_of_ours() -> None:
    """Of the board and of the alerts; looked for in their text, which no reader of PromQL is needed for."""
    named = re.findall(r"\bstreamgauge_\w+", "\n".join([*expressions(), ALERTS.read_text(encoding="utf-8")]))

    assert len(named) >= 65
    assert set(named) - series() == set()


def test_every_metric_of_the_board_is_one(checks: Checks) -> None:
    """Read by Prometheus' own parser."""
    named = checks("promql", text="\n".join(expressions()))

    assert len(named) >= 50
    assert set(itertools.chain.from_iterable(named.values())) - series() == set()


def test_every_metric_is_on_the_board() -> None:
    """A metric that nobody looks at is not worth its series."""
    shown = " ".join(expressions())

    names = {metric._name for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)}
    assert [name for name in sorted(names) if name not in shown] == []


def test_the_board_is_whole() -> None:
    """Ids are unique, panels lie beside each other, and every variable that is used is defined."""
    identifiers = [panel["id"] for panel in BOARD["panels"]]
    variables = {variable["name"] for variable in BOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\}?", json.dumps(BOARD)))
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in BOARD["panels"])
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(identifiers) == len(set(identifiers))
    assert used == variables
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert [panel["title"] for panel in panels() if not panel["description"]] == []


def test_every_metric_of_the_alerts_is_one(checks: Checks) -> None:
    """Read by Prometheus' own reader of rule files, templates of the annotations and all."""
    named = checks("rules", ALERTS)

    assert len(named) >= 15
    assert set(itertools.chain.from_iterable(named.values())) - series() == OF_PROMETHEUS


@pytest.mark.parametrize(
    "rule",
    yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"],
    ids=lambda rule: str(rule["alert"]),
)
def test_an_alert_says_how_grave_it_is_where_and_what_to_do(rule: dict[str, Any]) -> None:
    summary = rule["annotations"]["summary"]

    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert re.search(r"\$labels\.(instance|receiver|table)", summary)
    assert re.search(r"\b(check|run|read|correct|free|replace|raise|use|shows?|says?)\b", summary)
