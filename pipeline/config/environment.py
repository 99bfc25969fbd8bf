"""Settings from the environment: STREAMGAUGE_HTTP__ADDRESS is http.address; lists and whole sections are JSON.

Refuses a variable that begins with STREAMGAUGE_ and is no setting: a misspelt override must not be ignored silently.
The environment is passed as a value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.config import keys
from pipeline.config.problems import show_path
from store.values.yaml_text import KeyPath, Problem

PREFIX = "STREAMGAUGE_"
# Read by the command itself, not settings of the file.
_OF_THE_COMMAND = (
    *("STREAMGAUGE_CONFIG", "STREAMGAUGE_ENDPOINT", "STREAMGAUGE_TOKEN", "STREAMGAUGE_CA"),
    "STREAMGAUGE_SIMULATE_PASSWORD",
    "STREAMGAUGE_LOG_FORMAT",
)
# Kubernetes sets these in every container if there is a service called streamgauge: kubernetes.io, "Service",
# "Discovering services", "Environment variables".
_OF_KUBERNETES = ("STREAMGAUGE_SERVICE_", "STREAMGAUGE_PORT")


@dataclass(frozen=True, slots=True)
class Override:
    """The setting of one variable: the value for `path`, as text, or read from JSON for lists and sections."""

    variable: str
    path: KeyPath
    value: object


def overrides_in(environ: Mapping[str, str]) -> tuple[list[Override], list[Problem]]:
    """The overrides, outer sections before inner ones, and problems with other variables (path: the variable)."""
    found: list[Override] = []
    problems: list[Problem] = []
    for variable, text in _candidates(environ):
        path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        unknown = keys.unknown_key(path)
        if unknown is not None:
            problems.append(Problem((variable,), f"sets nothing: {unknown}"))
            continue
        try:
            found.append(Override(variable, path, _value(path, text)))
        except ValueError as error:
            message = f"{show_path(path)} is a list or a section and given as JSON; this is not JSON: {error}"
            problems.append(Problem((variable,), message))
    return sorted(found, key=lambda override: len(override.path)), problems


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for variable, text in sorted(environ.items()):
        if variable.startswith(PREFIX) and variable not in _OF_THE_COMMAND and not variable.startswith(_OF_KUBERNETES):
            yield variable, text


def _value(path: KeyPath, text: str) -> object:
    may_be_text = path == ("log",) and not text.lstrip().startswith("{")
    if may_be_text or not keys.is_composite(path):
        return text
    value: object = json.loads(text)
    return value
