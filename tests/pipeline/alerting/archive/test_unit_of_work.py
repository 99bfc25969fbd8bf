"""What of alerts and groups is kept in rows, and that it makes no difference to what is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alerting.archive.database import ArchiveFile
from pipeline.alerting.archive.rows import AlertRow, GroupRow, MemberRow
from pipeline.alerting.archive.schema import FORMAT_VERSION, SCHEMA
from pipeline.alerting.archive.sealing import sealed_tables
from pipeline.alerting.routing.plan import AlertPlan, plan_for
from pipeline.alerting.routing.silences import Silence, silence_to_json
from pipeline.base.matchers import parse_matcher
from tests.support.alert_entries import entry, plan
from tests.support.alert_office import Office, S
from tests.support.examples import examples

TABLES = {"alerts": AlertRow, "groups": GroupRow, "members": MemberRow}
ROUTES = """
routes:
  - {matchers: [severity=critical], repeat_interval: 60s, continue: true}
  - {matchers: [severity=critical], receiver: b, group_by: [zone_name], group_wait: 3s, group_interval: 10s}
"""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path / "alerts.sqlite", plan_for("a", "b"))
    yield made
    made.archive.close()


def counts(office: Office) -> dict[str, int]:
    """The number of rows of each table."""
    file = ArchiveFile(office.path, SCHEMA, FORMAT_VERSION)
    with closing(file):
        return {table: file.read(f"SELECT count(*) FROM {table}")[0][0] for table in ("alerts", "groups", "members")}


def silence(end_s: int) -> dict[str, Any]:
    of = Silence("s1", "default", (parse_matcher("rule=g/TooHot"),), 0, end_s * S, None, "Ada", "repair")
    return {"silence": silence_to_json(of)}


def test_rows_in_memory_have_the_columns_of_their_tables(office: Office) -> None:
    with closing(ArchiveFile(office.path, SCHEMA, FORMAT_VERSION)) as file, file.reading() as db:
        columns = sealed_tables(db)

    named = {table: [field.name for field in fields(of)] for table, of in TABLES.items()}
    named["alerts"][named["alerts"].index("acked_json")] = "acked"
    assert named == {table: columns[table] for table in TABLES}


def test_an_alert_that_is_told_at_once_has_no_groups(office: Office) -> None:
    office.append(0, *(entry(str(number)) for number in range(10)))

    assert counts(office) == {"alerts": 10, "groups": 0, "members": 0}
    assert len(office.told("a")) == len(office.told("b")) == 10


def test_a_muted_alert_has_groups_until_it_is_told(office: Office) -> None:
    office.append(0, silence(100))
    office.append(1, entry("1"))
    assert counts(office) == {"alerts": 1, "groups": 2, "members": 2}

    office.tick(100)
    assert office.told("a") == office.told("b") == [["1.firing"]]
    office.append(101, entry("1", at="2026-11-23T10:03:05Z", severity="critical"))

    assert counts(office) == {"alerts": 1, "groups": 0, "members": 0}
    assert office.told("a") == [["1.firing"], ["1.firing"]]


def test_an_alert_that_rises_during_a_silence_is_told_as_the_second_thing_after_it(office: Office) -> None:
    office.append(0, entry("1"))
    office.append(1, silence(100))
    office.append(2, entry("1", at="2026-11-23T10:03:05Z", severity="critical"))
    assert office.told() == [["1.firing"]]

    office.tick(100)

    assert [one.id for one in office.archive.deliveries(receiver="a")] == ["1.firing.2", "1.firing"]


def test_alerts_of_a_group_that_end_in_one_message_are_told_together(office: Office) -> None:
    office.plan = plan("routes: [{receiver: a, group_by: [zone_name], group_wait: 0s, group_interval: 0s}]", "a")
    office.append(0, entry("1"), entry("2"))

    office.append(1, entry("1", "resolved"), entry("2", "resolved"))

    assert office.told() == [["1.firing", "2.firing"], ["1.resolved", "2.resolved"]]


def fires(number: int, second: int) -> dict[str, Any]:
    severity = "critical" if number % 2 else "warning"
    return entry(str(number), at=f"2026-11-23T10:00:{second:02}Z", severity=severity)


def ack(number: int, second: int) -> dict[str, Any]:
    at = {"by": "Ada", "why": "mine", "at_ns": second * S, "until_ns": (second + 5) * S}
    return {"acked": {"id": str(number), "account": "default", **at}}


DEEDS: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "fires": fires,
    "resolves": lambda number, _: entry(str(number), "resolved"),
    "is acknowledged": ack,
    "is taken back": lambda number, _: {"unacked": {"id": str(number), "account": "default", "by": "A", "at_ns": 0}},
    "is silenced": lambda _, second: silence(second + 7),
}
STEP = st.lists(st.tuples(st.sampled_from(list(DEEDS)), st.integers(0, 3)), min_size=1, max_size=4)
STEPS = st.lists(STEP, min_size=2, max_size=12)


@examples(30)
@given(STEPS, st.sampled_from([plan_for("a", "b"), plan(ROUTES, "a", "b")]))
def test_what_is_noted_in_the_alert_and_what_has_groups_tells_the_same(
    steps: Sequence[Sequence[tuple[str, int]]], of: AlertPlan
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        noted = life(Path(folder) / "noted.sqlite", of, steps)
        patch.setattr(GroupRow, "is_settled", lambda *_: False)
        grouped = life(Path(folder) / "grouped.sqlite", of, steps)

    assert noted == grouped


def life(path: Path, of: AlertPlan, steps: Sequence[Sequence[tuple[str, int]]]) -> dict[str, list[str]]:
    """The ids and contents of what each receiver was told."""
    office = Office(path, of)
    for number, step in enumerate(steps):
        second = 4 * number
        office.append(second, *(DEEDS[deed](of_alert, second) for deed, of_alert in step))
        office.tick(second + 2)
    office.tick(200)
    told = {name: sorted(f"{d.id} {d.content}" for d in office.archive.deliveries(receiver=name)) for name in "ab"}
    office.archive.close()
    return told
