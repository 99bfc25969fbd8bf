"""Unit tests of rules: series in a compact notation, and the alerts that are expected of them.

parse_tests(text, file) → the tests of a file; run_test(test, rules) → what is missing and what is unexpected.
"""

from rules.unit_tests.document import Expected, TestFile, UnitTest, parse_tests
from rules.unit_tests.loading import load_tests
from rules.unit_tests.run import Difference, Hearers, run_test

__all__ = ["Difference", "Expected", "Hearers", "TestFile", "UnitTest", "load_tests", "parse_tests", "run_test"]
