"""Options of the fault tests, of one machine and of a group: the same code, short in every run, longer by argument."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """For the conftest of all tests: only there options are known wherever pytest is told to begin."""
    parser.addoption("--fault-kills", type=int, default=3, help="everything is killed once for every three")
    parser.addoption("--power-cuts", type=int, default=4, help="how often the power goes")
    parser.addoption("--fault-rate", type=int, default=500, help="messages/s while they are killed")
    parser.addoption("--simulation-seed", type=int, help="simulate this seed alone, and tell its history with -s")
    parser.addoption("--simulation-seeds", type=int, help="simulate so many seeds, not as many as the profile says")
    parser.addoption("--simulation-from", type=int, default=0, help="the first of them")
