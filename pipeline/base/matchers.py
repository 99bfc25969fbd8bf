"""Matchers of labels, as Alertmanager writes them: `severity="critical"`, `zone!="lab"`, `rule=~"climate/.*"`. Pure.

A regular expression must match the whole value. RE2 runs it, in time linear in the value, because accounts may write
matchers too. An absent label is an empty text: `team=""` matches alerts without a team.

Source: prometheus.io/docs/alerting/latest/configuration, "Label matchers".
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

_FORM = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"\s]*))\s*')
_ESCAPED = re.compile(r"\\(.)")
_UNESCAPED = {"n": "\n", '"': '"', "\\": "\\"}
LONGEST_PATTERN = 1_000  # characters: RE2's time and memory grow with it


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
                return _pattern(self.value).fullmatch(found) is not None
            case Operator.MATCHES_NOT:
                return _pattern(self.value).fullmatch(found) is None

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
        _pattern(value)
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


@lru_cache(maxsize=1_000)
def _pattern(text: str) -> Any:
    import re2  # noqa: PLC0415  # 15 ms, only for who writes an expression

    if len(text) > LONGEST_PATTERN:
        raise ValueError(f"a regular expression has at most {LONGEST_PATTERN} characters; this one has {len(text)}")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        told = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise ValueError(f'"{text}" is not a regular expression of RE2: {told}') from error
