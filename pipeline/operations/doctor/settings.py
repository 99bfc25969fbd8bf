"""What the settings allow but should be known; one that is wrong has ended the command before any check."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, ok, warn

NAME = "settings"


def check_settings(config: Config) -> Iterator[Finding]:
    """Fine, or one warning each."""
    told = [warn(NAME, warning, "see docs/configuration.md for what makes it safe") for warning in config.warnings]
    yield from told or [ok(NAME, f"the configuration is fine; tables: {len(config.tables)}")]
