"""MQTT topic filters (4.7): which MQTT topics a filter matches, and which two filters both match. Pure.

A filter that begins with a wildcard does not match MQTT topics that begin with `$` (4.7.2).
"""

from __future__ import annotations

from collections.abc import Sequence


def covers(wide: str, narrow: str) -> bool:
    """Whether `wide` matches everything that `narrow` matches.

    False in some cases without practical effect (`+/#` and `#`).
    """
    if _is_kept_apart(wide, narrow):
        return False
    wides, narrows = wide.split("/"), narrow.split("/")
    for index, level in enumerate(wides):
        if level == "#":
            return True
        if index == len(narrows):
            return False
        other = narrows[index]
        if other == "#" or level not in {"+", other}:
            return False
    return len(wides) == len(narrows)


def have_common(one: str, other: str) -> bool:
    """Whether some MQTT topic is matched by both."""
    if _is_kept_apart(one, other) or _is_kept_apart(other, one):
        return False
    ones, others = one.split("/"), other.split("/")
    for left, right in zip(ones, others, strict=False):
        if "#" in {left, right}:
            return True
        if left != right and "+" not in {left, right}:
            return False
    longer = max(ones, others, key=len)
    rest = longer[min(len(ones), len(others)) :]
    return rest in ([], ["#"])  # `a/#` matches `a` (4.7.1.2)


def matches(topic_filter: str, mqtt_topic: str) -> bool:
    """Whether the filter matches the MQTT topic."""
    return have_common(topic_filter, mqtt_topic)


def without_covered(filters: Sequence[str]) -> tuple[str, ...]:
    """The filters that no other one covers, in their order: together they match the same."""
    return tuple(narrow for narrow in filters if not any(wide != narrow and covers(wide, narrow) for wide in filters))


def overlapping(filters: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs that match a common MQTT topic."""
    return [(one, other) for at, one in enumerate(filters) for other in filters[at + 1 :] if have_common(one, other)]


def _is_kept_apart(wild: str, dollar: str) -> bool:
    return wild[:1] in {"+", "#"} and dollar.startswith("$")
