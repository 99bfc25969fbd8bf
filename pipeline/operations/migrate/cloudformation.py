"""Templates of CloudFormation, also those that CDK makes: their resources for Timestream, IoT Core and IoT Events.

References are resolved as far as the template says their values: parameters with defaults, names of other resources.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pipeline.operations.migrate.finding import Report, Verdict
from pipeline.operations.migrate.iot_events import check_model
from pipeline.operations.migrate.requests import check_database, check_scheduled_query, check_table
from pipeline.operations.migrate.topic_rules import check_topic_rule
from pipeline.operations.migrate.tree import Text, Tree, Value, lower_first

_PSEUDO = {
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "000000000000",
    "AWS::Partition": "aws",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}
_SUBSTITUTED = re.compile(r"\$\{(?P<kept>!)?(?P<name>[\w:.]+)\}")
_OURS = ("AWS::Timestream::", "AWS::IoT::TopicRule", "AWS::IoTEvents::")
_NO_INPUTS = "rules read the measures of a table"
_NAMES = {"AWS::Timestream::Database": "DatabaseName", "AWS::Timestream::Table": "TableName"}


def template_of(value: Value) -> Tree | None:
    """The template in a file; None if it is none."""
    if not isinstance(value, Tree):
        return None
    resources = value.tree("Resources")
    return (
        value if any(of.text("Type").startswith("AWS::") for of in resources.values() if isinstance(of, Tree)) else None
    )


def check_template(file: str, template: Tree, table: str | None, report: Report) -> None:
    """Judge and translate its resources: models of IoT Events last, since rules are of tables."""
    resolver, others = _Resolver(template), 0
    kinds: dict[str, Callable[[Tree, str], None]] = {
        "AWS::Timestream::Database": lambda of, _: check_database(file, of, report),
        "AWS::Timestream::Table": lambda of, _: check_table(file, of, report),
        "AWS::Timestream::ScheduledQuery": lambda of, name: check_scheduled_query(file, _named(of, name), report),
        "AWS::IoT::TopicRule": lambda of, name: _check_topic_rule(file, of, name, report),
        "AWS::IoTEvents::AlarmModel": lambda of, name: _check_model(file, of, table, name, report),
        "AWS::IoTEvents::DetectorModel": lambda of, name: _check_model(file, of, table, name, report),
        "AWS::IoTEvents::Input": lambda of, name: report.add(
            file, of.line, Verdict.SKIPPED, f"input {name}", _NO_INPUTS
        ),
    }
    resources = [(name, of) for name, of in template.tree("Resources").items() if isinstance(of, Tree)]
    for name, resource in sorted(resources, key=lambda of: of[1].text("Type").startswith("AWS::IoTEvents")):
        kind = resource.text("Type")
        check = kinds.get(kind)
        if check is not None:
            properties = resolver.resolved(resource.tree("Properties"))
            assert isinstance(properties, Tree)
            if kind in _NAMES and not properties.text(_NAMES[kind]):
                properties[_NAMES[kind]] = _text(name, resource.line)
            check(properties, name)
        elif kind.startswith(_OURS):
            report.add(file, resource.line, Verdict.NOT, f"{kind} {name}", "there is nothing like it here")
        else:
            others += 1
    if others:
        report.add(
            file,
            template.line,
            Verdict.SKIPPED,
            f"{others} other resources",
            "not of Timestream, IoT Core or IoT Events",
        )


def _check_topic_rule(file: str, properties: Tree, name: str, report: Report) -> None:
    rule = lower_first(properties.tree("TopicRulePayload"))
    assert isinstance(rule, Tree)
    rule["ruleName"] = _text(properties.text("RuleName") or name, properties.line)
    if rule.text("sql"):
        check_topic_rule(file, rule, name, report)


def _check_model(file: str, properties: Tree, table: str | None, name: str, report: Report) -> None:
    model = lower_first(properties)
    assert isinstance(model, Tree)
    check_model(file, model, table or report.translation.only_table, name, report)


def _named(query: Tree, name: str) -> Tree:
    if not query.text("Name"):
        query["Name"] = _text(query.text("ScheduledQueryName") or name, query.line)
    return query


def _text(value: str, line: int) -> Text:
    text = Text(value)
    text.line = line
    return text


class _Resolver:
    """Resolves references within one template."""

    def __init__(self, template: Tree) -> None:
        self._parameters = template.tree("Parameters")
        self._resources = template.tree("Resources")

    def resolved(self, value: Value) -> Value:
        """The value, with each function that is known replaced by its result, and others by a name in brackets."""
        if isinstance(value, list):
            return [self.resolved(inner) for inner in value]
        if not isinstance(value, Tree):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            found = self._function(name, argument)
            if found is not None:
                return _text(found, value.line)
        made = Tree()
        made.line = value.line
        made.update({key: self.resolved(inner) for key, inner in value.items()})
        return made

    def _function(self, name: str, argument: Value) -> str | None:
        if name == "Ref" and isinstance(argument, Text):
            return self._name(argument)
        if name == "Fn::Sub":
            text = argument[0] if isinstance(argument, list) and argument else argument
            return self._substituted(text) if isinstance(text, Text) else None
        if name == "Fn::GetAtt" and isinstance(argument, list) and argument and isinstance(argument[0], Text):
            return self._name(argument[0])
        if name == "Fn::Join" and isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], list):
            parts = [self.resolved(part) for part in argument[1]]
            return str(argument[0] or "").join(part if isinstance(part, Text) else "<unknown>" for part in parts)
        return f"<{name}>" if name.startswith("Fn::") else None

    def _substituted(self, text: str) -> str:
        return _SUBSTITUTED.sub(
            lambda of: f"${{{of['name']}}}" if of["kept"] else self._name(of["name"].split(".")[0]), text
        )

    def _name(self, name: str) -> str:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self._parameters:
            return self._parameters.text(name, "Default") or f"<{name}>"
        resource = self._resources.tree(name)
        of_name = _NAMES.get(resource.text("Type"))
        if of_name is None:
            return f"<{name}>"
        given = self.resolved(resource.tree("Properties").get(of_name))
        return str(given) if isinstance(given, Text) else name
