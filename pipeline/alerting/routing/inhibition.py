"""Inhibition: an alert that fires keeps others from being told, such as a zone's those of its sensors. Pure.

Whether a target is inhibited is a question of equal keys: a source has one key for each rule of inhibition that it is a
source of, and a target one for each that it is a target of. An alert that is both source and target of a rule is not
inhibited by it, as in Alertmanager.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from pipeline.base.matchers import Matcher, all_match


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert fires that `source` matches, those that `target` matches are inhibited, if `equal` are equal."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]


def source_keys(inhibitions: Sequence[Inhibition], labels: Mapping[str, str]) -> list[str]:
    """The keys of what an alert with these labels inhibits."""
    return [_key(rule, labels) for rule in inhibitions if all_match(rule.source, labels)]


def target_keys(inhibitions: Sequence[Inhibition], labels: Mapping[str, str]) -> list[str]:
    """The keys by which an alert with these labels may be inhibited."""
    return [
        _key(rule, labels)
        for rule in inhibitions
        if all_match(rule.target, labels) and not all_match(rule.source, labels)
    ]


def _key(rule: Inhibition, labels: Mapping[str, str]) -> str:
    facts = (
        [str(matcher) for matcher in rule.source],
        [str(matcher) for matcher in rule.target],
        labels["account"],
        [(name, labels.get(name, "")) for name in rule.equal],
    )
    return hashlib.sha256(msgspec.msgpack.encode(facts)).hexdigest()[:32]
