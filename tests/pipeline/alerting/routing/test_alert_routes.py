"""Who hears of an alert: the tree of routes, accounts, and groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.alerting.routing.entry import labels_of
from pipeline.base.errors import ConfigError
from pipeline.base.matchers import parse_matcher
from pipeline.config import load_config
from tests.support.alert_entries import entry, hearers, plan

WHO = "matchers: [a=b], by: me, why: x"
TREE = """
routes:
  - matchers: ['severity="critical"']
    receiver: pager
    continue: true
  - matchers: ['zone_name=~"gh/.*"']
    receiver: [growers, office]
    routes:
      - matchers: [rule=g/Frost]
        receiver: heating
  - matchers: [rule=g/Noise]
    receiver: []
"""


@pytest.mark.parametrize(
    ("alert", "heard_by"),
    [
        (entry(), ["growers", "office"]),
        (entry(severity="critical"), ["pager", "growers", "office"]),
        (entry(rule="g/Frost"), ["heating"]),
        (entry(rule="g/Frost", severity="critical"), ["pager", "heating"]),
        (entry(zone="lab"), ["pager", "growers", "office", "heating"]),
        (entry(zone=None, rule="g/Noise"), []),
    ],
)
def test_the_first_route_that_matches_takes_an_alert_and_continue_tries_the_next(
    alert: Any, heard_by: list[str]
) -> None:
    """With `continue` the next are tried, too. One that no route matches goes to every receiver; `[]` tells nobody."""
    assert hearers(plan(TREE, "pager", "growers", "office", "heating"), alert) == heard_by


def test_without_routes_every_receiver_hears_of_every_alert_and_those_of_an_account_of_it_alone() -> None:
    of = plan("", "all", one="farm-1", two="farm-2")

    assert hearers(of, entry(account="farm-1")) == ["all", "one"]
    assert hearers(of, entry(account="farm-3")) == ["all"]


def test_ten_accounts_hear_of_their_own_alerts_alone_whatever_the_routes_say() -> None:
    accounts = {f"r{number}": f"farm-{number}" for number in range(10)}
    names = ", ".join(accounts)
    of = plan(f"routes: [{{receiver: [{names}], group_by: [severity]}}]", **accounts)

    for name, account in accounts.items():
        assert hearers(of, entry(account=account)) == [name]


def test_alerts_with_equal_labels_share_a_group_of_their_account_and_others_do_not() -> None:
    of = plan("routes: [{receiver: a, group_by: [zone_name]}]", "a")

    def group(**of_alert: str) -> str:
        alert = entry(**of_alert)
        (target,) = of.targets(alert["event"]["data"]["id"], labels_of(alert))
        return target.id

    assert group(alert_id="1", zone="n") == group(alert_id="2", zone="n", severity="critical")
    assert len({group(zone="n"), group(zone="s"), group(zone="n", account="farm-7")}) == 3


def test_what_a_route_leaves_out_is_as_in_the_route_above_it() -> None:
    of = plan(
        """
        routes:
          - receiver: a
            group_by: [zone_name]
            group_wait: 0s
            repeat_interval: 4h
            routes: [{matchers: [severity=critical], group_interval: 1m}]
        """,
        "a",
    )

    (target,) = of.targets("x", labels_of(entry(severity="critical")))

    assert target.labels == {"zone_name": "gh/1"}
    assert (target.timing.wait_ns, target.timing.interval_ns) == (0, 60 * 10**9)
    assert target.timing.repeat_ns == 4 * 3600 * 10**9


def test_a_device_chooses_no_label_that_an_operator_or_the_product_gives() -> None:
    alert = entry(severity="warning")
    alert["event"]["data"]["dimensions"] |= {"severity": "critical", "account": "other", "zone": "north"}

    labels = labels_of(alert)

    assert (labels["severity"], labels["account"], labels["zone"], labels["zone_name"]) == (
        *("warning", "default", "north", "gh/1"),
    )


@pytest.mark.parametrize(
    ("matcher", "does_match"),
    [
        ('team="ops"', True),
        ("team=ops", True),
        ("team!=ops", False),
        ('team=~"o.s"', True),
        ('team=~"o"', False),
        ('team!~"o"', True),
        ('absent=""', True),
        ('absent=~".+"', False),
    ],
)
def test_a_matcher_compares_the_whole_value_and_an_absent_label_is_empty(matcher: str, does_match: bool) -> None:
    assert parse_matcher(matcher).matches({"team": "ops"}) is does_match
    assert str(parse_matcher(str(parse_matcher(matcher)))) == str(parse_matcher(matcher))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("routes: [{receiver: b}]", 'routes[0].receiver: "b" is not one of the receivers; listed: a'),
        ("routes: [{routes: [{receiver: b}]}]", "routes[0].routes[0].receiver"),
        ("routes: [{matchers: [severity]}]", "'severity' is not a matcher"),
        ("routes: [{matchers: ['x=~\"(\"']}]", '"(" is not a regular expression of RE2: missing )'),
        ("routes: [{group_by: ['...', zone]}]", '"..." stands for each alert on its own, and alone'),
        ("routes: [{recever: a}]", "receiver"),
        (
            "silences: [{matchers: [a=b], by: me, why: x, from: 2026-01-02T00:00:00Z, to: 2026-01-01T00:00:00Z}]",
            "after",
        ),
        (f"silences: [{{{WHO}, every: {{days: [moon]}}}}]", '"moon" is not a day'),
        (f"silences: [{{{WHO}, every: {{from: '25:00'}}}}]", "is not a time of day"),
        ("inhibitions: [{source: [a=b], target: []}]", "inhibitions[0].target"),
    ],
)
def test_a_wrong_section_is_told_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "streamgauge.yaml"
    file.write_text(f"receivers: [{{name: a, webhook: {{url: 'http://hooks.example/'}}}}]\n{text}\n")

    with pytest.raises(ConfigError) as raised:
        load_config(file)

    assert told in str(raised.value)
