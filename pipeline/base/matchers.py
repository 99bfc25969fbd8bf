"""Matchers of labels, as Alertmanager writes them: `severity="critical"`, `zone!="lab"`, `rule=~"climate/.*"`. Pure.

A regular expression, of those in `store.values.expressions`, must match the whole value. An absent label is an empty
text: `team=""` matches alerts without a team.

Source: prometheus.io/docs/alerting/latest/configuration, "Label matchers".
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

from store.values.expressions import expression

_FORM = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"\s]*))\s*')
_ESCAPED = re.compile(r"\\(.)")
_UNESCAPED = {"n": "\n", '"': '"', "\\": "\\"}


class Operator(enum.StrEnum):
    """How a value is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCHES = "=~"
    MATCHES_NOT = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label."""

    label: str
    operator: Operator
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the label's value fulfils it."""
        found = labels.get(self.label, "")
        match self.operator:
            case Operator.EQUAL:
                return found == self.value
            case Operator.NOT_EQUAL:
                return found != self.value
            case Operator.MATCHES:
                return expression(self.value).fullmatch(found) is not None
            case Operator.MATCHES_NOT:
                return expression(self.value).fullmatch(found) is None

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.label}{self.operator}"{escaped}"'


def parse_matcher(text: object) -> Matcher:
    """The matcher in `text`. Raises ValueError."""
    if isinstance(text, Matcher):
        return text
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(
            f'{text!r} is not a matcher; write a label, one of = != =~ !~, and a value, as in severity="critical" or '
            'zone=~"gh-.*"'
        )
    label, operator, quoted, bare = found.groups()
    value = bare if quoted is None else _ESCAPED.sub(lambda one: _UNESCAPED.get(one[1], one[0]), quoted)
    if operator in (Operator.MATCHES, Operator.MATCHES_NOT):
        expression(value)
    return Matcher(label, Operator(operator), value)


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether all of them match; none match everything."""
    return all(matcher.matches(labels) for matcher in matchers)


MatcherText: TypeAlias = Annotated[
    InstanceOf[Matcher],
    BeforeValidator(parse_matcher),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ['severity="critical"', 'zone=~"gh-.*"']}),
]
