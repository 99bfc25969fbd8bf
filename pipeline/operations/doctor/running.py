"""The doctor within a worker that runs, for its HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

from pipeline.base.errors import ConfigError
from pipeline.config import Config
from pipeline.operations.doctor import ports
from pipeline.operations.doctor.checks import CHECKS
from pipeline.operations.doctor.examine import examine
from pipeline.operations.doctor.finding import Finding, fail

# Who answers has its ports, and which other process should have one is known only of those that `up` started.
OF_A_WORKER = tuple(check for check in CHECKS if check[0] != ports.NAME)


def findings_of(running: Config, again: Callable[[], Config]) -> list[Mapping[str, str]]:
    """The findings about what the configuration says now, by `again`, or about `running` if it has become wrong.

    Blocks for some seconds.
    """
    found: list[Finding] = []
    config = running
    try:
        config = again()
    except ConfigError as error:
        remedy = "correct it: the worker goes on with what it was, and does not start with this"
        found = [fail("settings", line, remedy) for line in str(error).splitlines()]
    return [asdict(finding) for finding in (*found, *examine(config, OF_A_WORKER))]
