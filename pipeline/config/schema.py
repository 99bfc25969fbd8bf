"""The JSON Schema of streamgauge.yaml, for editors and checks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from pipeline.base.quantities import Address
from pipeline.config.model import Config
from store.values.durations import format_duration


class _AsWritten(GenerateJsonSchema):
    """Defaults in the form of a file."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return format_duration(dft)
        return str(dft) if isinstance(dft, Address) else super().encode_default(dft)


def config_schema() -> dict[str, Any]:
    """The schema, of draft 2020-12."""
    schema = Config.model_json_schema(schema_generator=_AsWritten)
    # A bare string is the log's url.
    schema["properties"]["log"] = {"anyOf": [schema["properties"]["log"], {"type": "string"}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "streamgauge.yaml", **schema}
