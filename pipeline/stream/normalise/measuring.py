"""The measures of one object: each field in its column, in another column, or in the measure `_more`. Never fails.

A table has room for a number of new measures, and a record for 256 measures, as in Timestream. A field goes into the
JSON text of the measure `_more` if no column is left, or if its other column belongs to another field.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

import orjson

from pipeline.stream.normalise.alterations import Alteration, Alterations
from pipeline.stream.normalise.body import Fields, Scalar
from pipeline.stream.normalise.fields import MORE, FieldRule, safe_name
from pipeline.stream.normalise.routes import MeasureRule, Route
from pipeline.stream.normalise.values import ABSENT, OTHER_COLUMN, SUFFIX, fitted, is_text, says_nothing, type_said_by
from store.record import MeasureType

MAX_MEASURES = 256  # Timestream: measures of a multi-measure record


def text_column(measure: str, route: Route) -> str:
    """The measure for text that does not fit the column of `measure`."""
    return safe_name(measure + SUFFIX[MeasureType.VARCHAR], route)


@dataclass(slots=True)
class Measuring:
    """The measures of one message's fields, in a table whose measures have `types`.

    open       measures of text that may give their name up to a number (`pipeline.stream.normalise.texts`)
    asked      measures whose type an operator asked for, which counts as configured
    room       how many new measures that are not configured the table takes
    new_types  the types of the measures that are new to the table
    given_up   the measures of text whose names numbers of this message have now
    """

    route: Route
    types: Mapping[str, MeasureType]
    room: int
    open: Container[str] = ()
    asked: Container[str] = ()
    given_up: dict[str, MeasureType] = field(default_factory=dict)
    new_types: dict[str, MeasureType] = field(default_factory=dict)
    alterations: Alterations = field(default_factory=Alterations)

    def measures(self, fields: Fields, rules: list[FieldRule | None]) -> dict[str, Scalar]:
        """The measures of one object with these fields; `rules` are in the same order."""
        taken = [
            (found, found.field, value)
            for found, value in zip(rules, fields.values(), strict=True)
            if found is not None and value is not None
        ]
        own = {found.rule.name for found in rules if found is not None and found.rule is not None}
        most = MAX_MEASURES if len(own) <= MAX_MEASURES else MAX_MEASURES - 1
        measures: dict[str, Scalar] = {}
        more: dict[str, Scalar] = {}
        for found, name, value in taken:
            if found.rule is None:
                self.alterations[name, Alteration.IGNORED] += 1
                continue
            placed = self._placed(found, value, own)
            if placed is None:
                self.alterations[name, Alteration.NO_VALUE] += 1
                continue
            measure, measure_type, its_value = placed
            if (len(measures) < most or measure in measures) and self._claim(measure, measure_type, found.is_listed):
                measures.pop(measure, None)
                measures[measure] = its_value
                if found.is_renamed:
                    self.alterations[name, Alteration.RENAMED] += 1
                if measure != found.rule.name:
                    self.alterations[name, Alteration.OTHER_COLUMN] += 1
            else:
                more[name] = value
        if more:
            self._keep(more, measures)
        return measures

    def _placed(self, found: FieldRule, value: Scalar, own: set[str]) -> tuple[str, MeasureType, Scalar] | None:
        """Measure, type and value; None: it means "no value". A measure of another field is refused later."""
        assert found.rule is not None
        rule, said = found.rule, type_said_by(value)
        column = self._type_of(rule.name) or rule.type
        if column is None:
            if says_nothing(value) and not is_text(value):
                return None
            return rule.name, said, float(value) if said is MeasureType.DOUBLE else value
        if said is MeasureType.DOUBLE and column is MeasureType.VARCHAR and self._gives_up(rule, value):
            column = said
        is_configured = rule.type is column or rule.name in self.asked
        its_value = fitted(value, column, rule.convert, is_configured=is_configured)
        if its_value is ABSENT:
            return None
        if its_value is not OTHER_COLUMN:
            return rule.name, column, its_value
        other = safe_name(rule.name + SUFFIX[said], self.route)
        return (MORE if other in own else other), said, float(value) if said is MeasureType.DOUBLE else value

    def _gives_up(self, rule: MeasureRule, number: Scalar) -> bool:
        """Whether the measure changes from text to numbers."""
        is_open = rule.name in self.open and rule.name not in self.asked
        if rule.type is not None or not is_open or says_nothing(number):
            return False
        if self._type_of(text_column(rule.name, self.route)) not in (None, MeasureType.VARCHAR):
            return False
        self.given_up[rule.name] = MeasureType.DOUBLE
        return True

    def _type_of(self, measure: str) -> MeasureType | None:
        return self.given_up.get(measure) or self.types.get(measure) or self.new_types.get(measure)

    def _claim(self, measure: str, measure_type: MeasureType, is_listed: bool) -> bool:
        """Whether the measure exists, or can be created, in the table with this type."""
        if measure == MORE:
            return False
        listed = self.route.measures.get(measure)
        known = self._type_of(measure) or (None if listed is None else listed.type)
        if known is not None and known is not measure_type:
            return False
        if self._type_of(measure) is None:
            if not is_listed:
                if self.room <= 0:
                    return False
                self.room -= 1
            self.new_types[measure] = measure_type
        return True

    def _keep(self, more: dict[str, Scalar], measures: dict[str, Scalar]) -> None:
        has_place = self._type_of(MORE) in (None, MeasureType.VARCHAR) and not self.route.is_dimension(MORE)
        if has_place and len(measures) >= MAX_MEASURES:
            name, value = measures.popitem()
            more[name] = value
        for name in more:
            self.alterations[name, Alteration.MORE if has_place else Alteration.NOT_STORED] += 1
        if has_place:
            measures[MORE] = orjson.dumps(more).decode()
            self.new_types.setdefault(MORE, MeasureType.VARCHAR)
            if MORE in self.types:
                del self.new_types[MORE]
