"""Options of the fault tests: the same code, short in every run, longer by argument."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-kills", type=int, default=3, help="how often gateway and worker are each killed")
    parser.addoption("--fault-rate", type=int, default=5_000, help="messages/s while they are killed")
