"""Importing this makes `tests.support`, which tests and benchmarks share, importable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
