"""What the configuration says of alerts, as one frozen value: receivers, routes, inhibitions, silences. Pure.

It can be replaced by another at any time between two messages: what is queued or grouped stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.alerting.routing.inhibition import Inhibition
from pipeline.alerting.routing.silences import Silence
from pipeline.alerting.routing.tree import Node, Target, targets_at, tree_of
from pipeline.config import Config
from pipeline.config.routing import Inhibition as InhibitionSection
from pipeline.config.routing import Route
from pipeline.config.routing import Silence as SilenceSection
from store.values.times import NS, whole_s


@dataclass(frozen=True, slots=True)
class AlertPlan:
    """`receivers`: the account of each by its name, None for those that hear of all accounts."""

    receivers: Mapping[str, str | None]
    tree: Node
    inhibitions: tuple[Inhibition, ...] = ()
    silences: tuple[Silence, ...] = ()

    def targets(self, alert_id: str, labels: Mapping[str, str]) -> list[Target]:
        """Who hears of an alert with these labels (`labels_of`), in which groups; no receiver of another account."""
        found = {
            target.id: target
            for node in self.tree.ends(labels)
            for target in targets_at(node, alert_id, labels)
            if self.receivers[target.receiver] in (None, labels["account"])
        }
        return list(found.values())


def plan_of(config: Config) -> AlertPlan:
    """The plan of a configuration."""
    return plan_from(
        {receiver.name: receiver.account for receiver in config.receivers},
        config.routes,
        config.inhibitions,
        config.silences,
    )


def plan_from(
    receivers: Mapping[str, str | None],
    routes: Sequence[Route] = (),
    inhibitions: Iterable[InhibitionSection] = (),
    silences: Iterable[SilenceSection] = (),
) -> AlertPlan:
    """The plan of these sections."""
    return AlertPlan(
        receivers,
        tree_of(routes, tuple(receivers)),
        tuple(Inhibition(rule.source, rule.target, rule.equal) for rule in inhibitions),
        tuple(_silence(index, silence) for index, silence in enumerate(silences)),
    )


def plan_for(*receivers: str) -> AlertPlan:
    """Each of these receivers hears of every alert."""
    return plan_from(dict.fromkeys(receivers))


def _silence(index: int, told: SilenceSection) -> Silence:
    return Silence(
        f"config-{index}",
        told.account,
        told.matchers,
        _ns(told.start),
        _ns(told.end),
        None if told.every is None else told.every.recurrence,
        told.by,
        told.why,
        from_config=True,
    )


def _ns(moment: datetime | None) -> int | None:
    return None if moment is None else whole_s(moment) * NS
