"""What a user says about the columns of files: options of the command, or a YAML file.

time: {column: ts, unit: ms}
measure_name: climate            # of all rows; {column: kind}: of the row
dimensions: {dev: device_id}     # column: name; or a list of columns
measures: {temp: {as: temperature, type: double}, hum: double}
version: 2                       # of all rows; {column: v}: of the row
leave_out: [comment]
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pipeline.base.errors import ConfigError
from store.record import MeasureType
from store.values.yaml_text import NotYaml, read

UNITS = ("s", "ms", "us", "ns")


class OfColumn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A value that a column has."""

    column: str


class Time(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The column of the time; `unit` of whole numbers since 1970."""

    column: str = "time"
    unit: str | None = None


class Measure(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The name and type of a measure; None: the column's name, and the type that the file or the table has."""

    as_: str | None = msgspec.field(name="as", default=None)
    type: MeasureType | None = None


class FileMapping(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Everything that was said. Dimensions are names by column."""

    time: Time = Time()
    measure_name: str | OfColumn | None = None
    dimensions: dict[str, str] | list[str] = {}
    measures: dict[str, MeasureType | Measure] | list[str] = {}
    version: int | OfColumn | None = None
    leave_out: list[str] = []

    def dimension_names(self) -> dict[str, str]:
        """The name of each dimension by its column."""
        return dict(self.dimensions) if isinstance(self.dimensions, dict) else {name: name for name in self.dimensions}

    def measure_forms(self) -> dict[str, Measure]:
        """Each measure by its column."""
        if isinstance(self.measures, list):
            return {name: Measure() for name in self.measures}
        return {
            column: form if isinstance(form, Measure) else Measure(type=form) for column, form in self.measures.items()
        }


_decoder = msgspec.json.Decoder(FileMapping)


def _told(path: Path) -> dict[str, Any]:
    document = read(path.read_text(encoding="utf-8-sig"))
    if document.problems:
        problem = document.problems[0]
        raise ConfigError(f"{path}:{document.line_of(problem.path)}: {problem.message}")
    if not isinstance(document.values, dict):
        raise ConfigError(f"{path}: a mapping has keys, like `dimensions:`")
    return document.values


def read_mapping(path: Path | None, options: Mapping[str, Any]) -> FileMapping:
    """The mapping in a YAML file, with options in place of its keys. Raises ConfigError."""
    try:
        told = {} if path is None else _told(path)
        found = _decoder.decode(msgspec.json.encode({**told, **options}))
    except (OSError, UnicodeDecodeError, NotYaml) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except msgspec.ValidationError as error:
        keys = ", ".join(field.encode_name for field in msgspec.structs.fields(FileMapping))
        raise ConfigError(f"{path or 'the options'}: {error}; the keys of a mapping are {keys}") from error
    if found.time.unit not in {None, *UNITS}:
        raise ConfigError(f"the unit of the time is {found.time.unit!r}; one of {', '.join(UNITS)} is possible")
    return found
