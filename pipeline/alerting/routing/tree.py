"""The tree of routes: which receivers hear of an alert, and in which group. Pure.

An alert goes down the tree from the root, which every alert matches. The first child that matches takes it, and with
`continue` the next ones are tried too; a node without a matching child is where it ends. Source: Alertmanager,
`dispatch/route.go`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

import msgspec

from pipeline.base.matchers import Matcher, all_match
from pipeline.config.routing import Route
from store.values.durations import duration_ns

EACH = "..."
GROUP_WAIT_NS = duration_ns(timedelta(seconds=30))
GROUP_INTERVAL_NS = duration_ns(timedelta(minutes=5))


class Timing(NamedTuple):
    """When a group is told: first after `wait_ns`, of changes after `interval_ns`, again after `repeat_ns`."""

    wait_ns: int = 0
    interval_ns: int = 0
    repeat_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A route with everything that it inherits. `group_by` is None: each alert on its own."""

    key: str
    matchers: tuple[Matcher, ...]
    receivers: tuple[str, ...]
    group_by: tuple[str, ...] | None
    timing: Timing
    goes_on: bool
    children: tuple[Node, ...]

    def ends(self, labels: Mapping[str, str]) -> list[Node]:
        """The nodes where an alert with these labels ends; none if this one does not match it."""
        if not all_match(self.matchers, labels):
            return []
        found: list[Node] = []
        for child in self.children:
            below = child.ends(labels)
            found += below
            if below and not child.goes_on:
                break
        return found or [self]


class Target(NamedTuple):
    """One receiver that hears of an alert. `labels`: those of its group; None: the alert is told on its own.

    id     of the group: the same for all alerts of it
    route  the node, for people
    """

    receiver: str
    id: str
    labels: Mapping[str, str] | None
    timing: Timing
    route: str


def tree_of(routes: Sequence[Route], receivers: Sequence[str]) -> Node:
    """The tree; its root tells every receiver of each alert on its own, at once."""
    root = Node("", (), tuple(receivers), None, Timing(), goes_on=False, children=())
    return replace(root, children=_children(routes, root))


def targets_at(node: Node, alert_id: str, labels: Mapping[str, str]) -> Iterator[Target]:
    """The receivers of an alert that ends at `node`."""
    for receiver in node.receivers:
        if node.group_by is None:
            yield Target(receiver, id_of_one(alert_id, receiver), None, node.timing, node.key)
        else:
            of_group = {name: labels.get(name, "") for name in node.group_by}
            account = labels["account"]  # a group is of one account, whatever it is grouped by
            group_id = _digest(node.key, receiver, account, sorted(of_group.items()))
            yield Target(receiver, group_id, of_group, node.timing, node.key)


def id_of_one(alert_id: str, receiver: str) -> str:
    """The id of the group that is one alert, told on its own."""
    return _digest("each", alert_id, receiver)


def _children(routes: Sequence[Route], parent: Node) -> tuple[Node, ...]:
    return tuple(_node(route, index, parent) for index, route in enumerate(routes))


def _node(route: Route, index: int, parent: Node) -> Node:
    text = ",".join(map(str, route.matchers))
    group_by = parent.group_by if route.group_by is None else None if EACH in route.group_by else route.group_by
    node = Node(
        key=f"{parent.key}/{{{text}}}/{index}",
        matchers=route.matchers,
        receivers=parent.receivers if route.receivers is None else route.receivers,
        group_by=group_by,
        timing=_timing(route, parent, is_grouped=group_by is not None),
        goes_on=route.goes_on,
        children=(),
    )
    return replace(node, children=_children(route.routes, node))


def _timing(route: Route, parent: Node, *, is_grouped: bool) -> Timing:
    """An alert on its own does not wait for others, so only `repeat_interval` concerns it."""
    repeat_ns = parent.timing.repeat_ns if route.repeat_interval is None else duration_ns(route.repeat_interval)
    if not is_grouped:
        return Timing(repeat_ns=repeat_ns)
    above = parent.timing if parent.group_by is not None else Timing(GROUP_WAIT_NS, GROUP_INTERVAL_NS)
    wait_ns = above.wait_ns if route.group_wait is None else duration_ns(route.group_wait)
    interval_ns = above.interval_ns if route.group_interval is None else duration_ns(route.group_interval)
    return Timing(wait_ns, interval_ns, repeat_ns)


def _digest(*facts: object) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(facts)).hexdigest()[:32]
