"""What can go wrong while simulating, by who must act.

SimulatorError
├── FleetFileError        the operator: FLEET.yaml or an option is wrong; holds every problem as `file:line: message`
├── BrokerUnreachable     the operator: nothing accepts the connection, or it does not speak MQTT
└── BrokerRefused         the operator: the broker answered CONNECT with a refusal that trying again does not correct
"""

from __future__ import annotations

from collections.abc import Sequence


class SimulatorError(Exception):
    """Base of all errors of this package."""


class FleetFileError(SimulatorError):
    """A fleet is described wrongly; `problems` are one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class BrokerUnreachable(SimulatorError):
    """No MQTT server answers at the address; the message names it."""


class BrokerRefused(SimulatorError):
    """The server refused the CONNECT; the message has the code and its meaning."""
