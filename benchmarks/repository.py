"""Importing this makes `tests.support` importable: what the tests and the benchmarks stand on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
