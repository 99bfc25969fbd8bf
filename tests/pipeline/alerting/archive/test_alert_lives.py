"""Random lives of the alerts of ten accounts: routes, silences, acknowledgements, reloads and kills, without a leak."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.alerting.archive.alerts import AlertArchive
from pipeline.alerting.routing.silences import Silence, silence_to_json
from pipeline.base.matchers import parse_matcher
from tests.support.alert_entries import entry, plan
from tests.support.alert_office import Office, S
from tests.support.examples import examples

ACCOUNTS = [f"farm-{number}" for number in range(10)]
OF = {f"of-{account}": account for account in ACCOUNTS}
TEXTS = (
    "",
    "routes: [{group_by: [severity], group_wait: 5s, group_interval: 20s}]",
    f"""
    routes:
      - {{receiver: [{", ".join(OF)}], repeat_interval: 60s, continue: true}}
      - {{receiver: all, group_by: [rule]}}
    """,
    """
    silences:
      - {matchers: [severity=critical], account: farm-3, by: config, why: repair, to: 1970-01-01T00:02:00Z}
    """,
)
PLANS = [plan(text, "all", **OF) for text in TEXTS]
END_S = 100_000
Life = tuple[str, str, str, int]


class Lives(Office):
    """An office that keeps by which plan each message was read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, PLANS[0])
        self.plans: list[Any] = []
        self.now_s = 0

    def append(self, at_s: int, *events: Any) -> None:
        self.plans.append(self.plan)
        super().append(at_s, *events)

    def live(self, deed: str, account: str, other: str, number: int) -> None:
        """One deed of an account; `other` is whose alert or silence it lays hands on."""
        self.now_s += 1 + number * 7
        if deed == "reload":
            self.plan = PLANS[number % len(PLANS)]
            self.archive.plan_changed(self.plan, self.now_s * S)
        elif deed == "kill":
            self.archive.close()
            self.archive = AlertArchive(self.path)
        else:
            self.append(self.now_s, DEEDS[deed](account, other, number, self.now_s))
        self.tick(self.now_s)

    def settle(self) -> None:
        """Tell whatever is due, until nothing is."""
        for at_s in (self.now_s + 10, self.now_s + 400, END_S):
            self.tick(at_s)


def fires(account: str, _: str, number: int, at_s: int) -> dict[str, Any]:
    at = f"2026-11-23T10:{at_s // 60 % 60:02}:{at_s % 60:02}Z"
    return entry(f"{account}.{number}", account=account, at=at, severity=("critical", "warning")[at_s % 2])


def resolves(account: str, _: str, number: int, __: int) -> dict[str, Any]:
    return entry(f"{account}.{number}", "resolved", account=account)


def acknowledges(account: str, other: str, number: int, at_s: int) -> dict[str, Any]:
    note = {"by": account, "why": "mine", "at_ns": at_s * S, "until_ns": (at_s + 30) * S}
    return {"acked": {"id": f"{other}.{number}", "account": account, **note}}


def silences(account: str, _: str, number: int, at_s: int) -> dict[str, Any]:
    matchers = (parse_matcher("rule=g/TooHot"),)
    end_ns = (at_s + 40) * S if number else None
    return {"silence": silence_to_json(Silence(account, account, matchers, 0, end_ns, None, account, "pipes"))}


def ends_silence(account: str, other: str, _: int, at_s: int) -> dict[str, Any]:
    return {"silence_ended": {"id": other, "account": account, "at_ns": at_s * S}}


DEEDS: dict[str, Callable[[str, str, int, int], dict[str, Any]]] = {
    "fires": fires,
    "resolves": resolves,
    "acknowledges": acknowledges,
    "silences": silences,
    "ends a silence": ends_silence,
}
LIVES = st.lists(
    st.tuples(
        st.sampled_from(["fires"] * 4 + ["resolves"] * 2 + [*DEEDS, "reload", "kill"]),
        st.sampled_from(ACCOUNTS),
        st.sampled_from(ACCOUNTS),
        st.integers(0, 2),
    ),
    min_size=10,
    max_size=40,
)


@examples(20)
@given(LIVES)
def test_ten_accounts_live_beside_each_other_and_every_end_is_told_once(lives: Sequence[Life]) -> None:
    with TemporaryDirectory() as folder:
        office = Lives(Path(folder) / "alerts.sqlite")
        for life in lives:
            office.live(*life)
        office.settle()

        no_leaks(office)
        ends_are_told_once(office)
        what_fires_is_told(office)
        assert told_again(office, Path(folder) / "other.sqlite") == told(office.archive)
        office.archive.close()


def told(archive: AlertArchive) -> set[tuple[str, str]]:
    return {(one.id, one.receiver) for one in archive.deliveries(limit=10_000)}


def told_again(office: Lives, path: Path) -> set[tuple[str, str]]:
    """What another archive makes of the same log."""
    other = Office(path, PLANS[0])
    other.log = office.log
    for offset, of in enumerate(office.plans):
        if of is not other.plan:
            other.plan = of
            other.archive.plan_changed(of, office.log[offset][0] * S)
        other.read(offset)
    found = told(other.archive)
    other.archive.close()
    return found


def no_leaks(office: Lives) -> None:
    for one in office.archive.deliveries(limit=10_000):
        accounts = {alert["account"] for alert in one.content["alerts"]}
        assert accounts == {one.account}
        assert OF.get(one.receiver, one.account) == one.account
    alerts = office.archive.list(limit=1000)
    assert {alert.account for alert in alerts if alert.acked and alert.acked["by"] != alert.account} == set()
    for alert, mute in zip(alerts, office.archive.mutes(alerts, office.plan, END_S * S), strict=True):
        assert mute is None or mute.silence in (None, alert.account) or alert.account == "farm-3"
    for account in ACCOUNTS:
        assert {alert.account for alert in office.archive.list(account=account)} <= {account}
        assert {one.account for one in office.archive.transitions(account=account)} <= {account}
        assert {one.account for one in office.archive.silences(account, 0)} <= {account}


def statuses(office: Lives, receiver: str) -> Iterator[tuple[str, str]]:
    for one in reversed(office.archive.deliveries(receiver=receiver, limit=10_000)):
        for alert in one.content["alerts"]:
            yield alert["event"]["data"]["id"], alert["event"]["data"]["status"]


def ends_are_told_once(office: Lives) -> None:
    resolved = {alert.id for alert in office.archive.list(status="resolved", limit=1000)}
    for receiver in ("all", *OF):
        heard = list(statuses(office, receiver))
        ended = [alert for alert, status in heard if status == "resolved"]
        assert len(ended) == len(set(ended))
        assert {alert for alert, status in heard if status == "firing"} & resolved <= set(ended)


def what_fires_is_told(office: Lives) -> None:
    firing = office.archive.list(status="firing", limit=1000)
    mutes = office.archive.mutes(firing, office.plan, END_S * S)
    heard = {alert for receiver in ("all", *OF) for alert, _ in statuses(office, receiver)}
    assert {alert.id for alert, mute in zip(firing, mutes, strict=True) if mute is None} <= heard
