"""The doors for texts of operators: configuration and rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.base.errors import ConfigError
from pipeline.config import load_config
from rules.files.parse import parse_rules
from tests.fuzzing.door import Door, Feed, pure

ROOT = Path(__file__).parents[2]


@contextmanager
def _configuration(folder: Path) -> Iterator[Feed]:
    file = folder / "streamgauge.yaml"

    def feed(data: bytes) -> None:
        file.write_bytes(data)
        with suppress(ConfigError):
            load_config(file, {"NAME": "value"}, {})

    yield feed


def _configurations() -> Iterable[bytes]:
    return [file.read_bytes() for file in sorted((ROOT / "tests/pipeline/config/good").glob("*.yaml"))]


def _rules(data: bytes) -> None:
    rules, problems = parse_rules(data.decode("utf-8", "replace"), "rules.yaml")
    assert rules is not None
    assert all(str(problem) for problem in problems)


def _rule_files() -> Iterable[bytes]:
    files = [*(ROOT / "tests/rules/files").rglob("*.yaml"), *(ROOT / "rules/library").glob("*.yaml")]
    return [data for file in sorted(files) if len(data := file.read_bytes()) <= 2_048]


DOORS = {
    "configuration": Door(_configuration, _configurations, 4_096, (b"${NAME}", b"!!", b"&a", b"*a", b"<<:", b"0x")),
    "rules": Door(pure(_rules), _rule_files, 2_048, (b"range:", b"rate_of_change:", b"for:", b"1e999", b"&a", b"*a")),
}
