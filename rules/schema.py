"""The JSON schema of rule files and of unit-test files, made from the tables by which they are read."""

from __future__ import annotations

from typing import Any

from rules.definition.keys import schema_of
from rules.files import parse
from rules.unit_tests import document

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def rule_schema() -> dict[str, Any]:
    """Of a rule file."""
    return {"$schema": DRAFT, "title": "Streamgauge rules", **schema_of(parse.FILE_KEYS)}


def unit_test_schema() -> dict[str, Any]:
    """Of a unit-test file."""
    return {"$schema": DRAFT, "title": "Unit tests of Streamgauge rules", **schema_of(document.FILE_KEYS)}
