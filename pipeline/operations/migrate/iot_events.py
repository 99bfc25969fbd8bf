"""Alarm models and detector models of IoT Events, as rules.

An alarm model compares one input with a threshold: that is a rule with a `range`. A detector model is a state machine:
a state that is reached from the first one by such comparisons is a rule, too, which clears where a comparison leads out
of it; timers, variables and other conditions are not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pipeline.operations.migrate.finding import Report, Verdict
from pipeline.operations.migrate.tree import Tree, Value, lower_first

_NUMBER = r"(?P<limit>-?\d+(?:\.\d+)?)"
_COMPARED = re.compile(rf"\(?\s*\$input\.(?P<input>\w+)\.(?P<field>[\w.]+)\s*(?P<how>>=|<=|>|<)\s*{_NUMBER}\s*\)?")
_PROPERTY = re.compile(r"\$input\.(?P<input>\w+)\.(?P<field>[\w.]+)")
_OPERATORS = {"GREATER": ">", "GREATER_OR_EQUAL": ">=", "LESS": "<", "LESS_OR_EQUAL": "<="}
_NAME = re.compile(r"[^A-Za-z0-9_]+")
NO_TABLE = "a rule is of a table, and this file names an input: say which table has it, with --table DATABASE.TABLE"


@dataclass(frozen=True, slots=True)
class _Limit:
    """A comparison of a measure with a number."""

    measure: str
    how: str
    value: float

    @property
    def bound(self) -> str:
        """The bound of a `range` that is exceeded then."""
        return "max" if self.how.startswith(">") else "min"


def model_of(value: Value) -> Tree | None:
    """The alarm model or detector model in a file; None if it is none."""
    if not isinstance(value, Tree):
        return None
    found = lower_first(value)
    assert isinstance(found, Tree)
    found = found.tree("detectorModel") or found
    return found if "alarmRule" in found or "detectorModelDefinition" in found else None


def check_model(file: str, model: Tree, table: str | None, name: str, report: Report) -> None:
    """Translate it into a rule of `table` (None: it is not known)."""
    if "alarmRule" in model:
        _check_alarm(file, model, table, model.text("alarmModelName") or name, report)
    else:
        title = model.text("detectorModelName") or model.tree("detectorModelConfiguration").text("detectorModelName")
        _check_detector(file, model.tree("detectorModelDefinition"), table, title or name, report)


def _check_alarm(file: str, model: Tree, table: str | None, name: str, report: Report) -> None:
    what, simple = f"alarm model {name!r}", model.tree("alarmRule", "simpleRule")
    of = _PROPERTY.fullmatch(simple.text("inputProperty"))
    how = _OPERATORS.get(simple.text("comparisonOperator"))
    try:
        limit = float(simple.text("threshold"))
    except ValueError:
        report.add(file, simple.line, Verdict.NOT, what, f"its threshold is no number: {simple.text('threshold')!r}")
        return
    if of is None or how is None:
        told = (
            f"{simple.text('inputProperty')} {simple.text('comparisonOperator')}: only > >= < <= of an input are ranges"
        )
        report.add(file, simple.line, Verdict.NOT, what, told)
        return
    labels = {"severity": model.text("severity")} if model.text("severity") else {}
    _add_rule(
        file, simple.line, what, name, table, [_Limit(of["field"].replace(".", "_"), how, limit)], [], labels, report
    )
    if "alarmNotification" in model or "alarmEventActions" in model:
        told = "its notifications and actions are not translated: name receivers and routes in streamgauge.yaml"
        report.add(file, model.line, Verdict.LOOK, what, told)


def _check_detector(file: str, model: Tree, table: str | None, name: str, report: Report) -> None:
    first, states = model.text("initialStateName"), model.trees("states")
    found = 0
    for state in states:
        for transition in state.tree("onInput").trees("transitionEvents"):
            if state.text("stateName") == first:
                found += 1
                _check_transition(file, states, transition, table, name, report)
        for phase in ("onInput", "onEnter", "onExit"):
            for event in state.tree(phase).trees("events"):
                actions = sorted({key for action in event.trees("actions") for key in action})
                told = f"its actions are not translated: {', '.join(actions) or 'none'}"
                what = f"detector model {name!r}, {state.text('stateName')}.{phase} {event.text('eventName')!r}"
                report.add(file, event.line, Verdict.LOOK, what, told)
    if not found:
        report.add(
            file, model.line, Verdict.NOT, f"detector model {name!r}", f"no transition leaves its state {first!r}"
        )


def _check_transition(
    file: str, states: list[Tree], transition: Tree, table: str | None, name: str, report: Report
) -> None:
    target = transition.text("nextState")
    what, condition = f"detector model {name!r}, to {target!r}", transition.text("condition")
    line = getattr(transition.get("condition"), "line", transition.line)
    limits = _limits(condition)
    if limits is None:
        report.add(file, line, Verdict.NOT, what, f"only comparisons of one input with numbers are rules: {condition}")
        return
    back: list[_Limit] = []
    for state in states:
        for leaving in state.tree("onInput").trees("transitionEvents"):
            if state.text("stateName") == target:
                back += _limits(leaving.text("condition")) or []
    _add_rule(file, line, what, f"{name}_{target}", table, limits, back, {}, report)


def _limits(condition: str) -> list[_Limit] | None:
    """The comparisons of a condition, of which one is enough; None if it is another one."""
    parts = [_COMPARED.fullmatch(part.strip()) for part in condition.split("||")]
    found = [_Limit(of["field"].replace(".", "_"), of["how"], float(of["limit"])) for of in parts if of is not None]
    is_one = len({limit.measure for limit in found}) == 1 and len({limit.bound for limit in found}) == len(found)
    return found if len(found) == len(parts) and is_one else None


def _add_rule(
    file: str,
    line: int,
    what: str,
    name: str,
    table: str | None,
    limits: list[_Limit],
    back: list[_Limit],
    labels: dict[str, str],
    report: Report,
) -> None:
    if table is None:
        report.add(file, line, Verdict.NOT, what, NO_TABLE)
        return
    alert = _NAME.sub("_", name)
    rule: dict[str, Any] = {"alert": alert, "measure": limits[0].measure}
    rule["range"] = {limit.bound: limit.value for limit in limits}
    clear = {_other(limit): limit.value for limit in back if limit.measure == limits[0].measure}
    inside = {bound: value for bound, value in clear.items() if _is_inside(bound, value, rule["range"])}
    if inside and inside != rule["range"]:
        rule["clear"] = inside
    if labels:
        rule["labels"] = labels
    target = f"rules/{alert}.yaml"
    report.translation.rules[target] = [{"name": _NAME.sub("_", name), "table": table, "rules": [rule]}]
    report.add(file, line, Verdict.TRANSLATED, what, f"into {target}")
    for limit in limits:
        if limit.how in {">=", "<="}:
            told = f"{limit.how} {limit.value:g}: here the alert fires beyond {limit.value:g}, and not at it"
            report.add(file, line, Verdict.LOOK, what, told)


def _other(limit: _Limit) -> str:
    """The bound that a value is inside of again when the comparison is true."""
    return "min" if limit.bound == "max" else "max"


def _is_inside(bound: str, value: float, of: dict[str, float]) -> bool:
    return bound in of and (value <= of[bound] if bound == "max" else value >= of[bound])
