"""Warnings about settings that are allowed; an invalid setting has ended the command before any check."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, ok, warn

NAME = "settings"


def check_settings(config: Config) -> Iterator[Finding]:
    """One finding that all is well, or one per warning."""
    told = [warn(NAME, warning, "see docs/configuration.md for what makes it safe") for warning in config.warnings]
    yield from told or [ok(NAME, f"the configuration is fine; tables: {len(config.tables)}")]
