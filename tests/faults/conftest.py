"""Options of the fault tests."""

from tests.support.fault_options import pytest_addoption

__all__ = ["pytest_addoption"]
