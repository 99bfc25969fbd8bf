"""Reads FLEET.yaml into a `Fleet`; reports every problem as `file:line: message`, unknown keys with the nearest one."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from simulators.errors import FleetFileError
from simulators.fleet import Fleet
from store.values.nearest import nearest
from store.values.yaml_text import Document, KeyPath, NotYaml, read


def load_fleet(path: Path) -> Fleet:
    """The fleet in the file. Raises FleetFileError with all problems, in the order of lines."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FleetFileError([f"{path}: cannot be read: {error}"]) from error
    return parse_fleet(text, str(path))


def parse_fleet(text: str, name: str) -> Fleet:
    """The fleet in `text`; `name` is the file in messages."""
    try:
        document = read(text)
    except NotYaml as error:
        raise FleetFileError([f"{name}:{error.line or 1}: {error}"]) from error
    problems = [(_line(document, found.path), f"{_where(found.path)}{found.message}") for found in document.problems]
    try:
        fleet = Fleet.model_validate({} if document.values is None else document.values)
    except ValidationError as error:
        problems += [_problem(problem, document) for problem in error.errors(include_url=False)]
    if problems:
        raise FleetFileError([f"{name}:{line}: {message}" for line, message in sorted(set(problems))])
    return fleet


def _line(document: Document, path: KeyPath) -> int:
    return document.line_of(path) or document.lines.get((), 1)


def _problem(problem: Any, document: Document) -> tuple[int, str]:
    """One of pydantic's problems as (line, message); a path into a branch of a union is shortened to the file's own."""
    path: KeyPath = tuple(problem["loc"])
    if problem["type"] == "missing":
        section = _in_file(path[:-1], document)
        return _line(document, section), f"{_show(section)}{path[-1]} is missing"
    if problem["type"] == "extra_forbidden":
        return _line(document, path), _unknown_key(path)
    at = _in_file(path, document)
    message = problem["msg"].removeprefix("Value error, ")
    value = problem["input"]
    shown = f" (it is {value!r})" if isinstance(value, str | int | float | bool) and str(value) not in message else ""
    return _line(document, at), f"{_where(at)}{message}{shown}"


def _in_file(path: KeyPath, document: Document) -> KeyPath:
    while path and path not in document.lines:
        path = path[:-1]
    return path


def _where(path: KeyPath) -> str:
    where = _show(path).removesuffix(".")
    return f"{where}: " if where else ""


def _show(path: KeyPath) -> str:
    text = "".join(f"[{part}]." if isinstance(part, int) else f"{part}." for part in path)
    return text.replace(".[", "[")


def _unknown_key(path: KeyPath) -> str:
    """The message for a key that its section does not have."""
    model = _model_at(path[:-1])
    keys = [field.alias or name for name, field in model.model_fields.items()] if model else []
    near = nearest(str(path[-1]), keys)
    hint = f"did you mean {near}? " if near else ""
    return f'"{path[-1]}" is not a key known here; {hint}there are {" ".join(keys)}'


def _model_at(path: KeyPath) -> type[BaseModel] | None:
    annotation: Any = Fleet
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
            annotation = fields[str(part)].annotation if str(part) in fields else None
        elif get_origin(annotation) is tuple:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(
                (a for a in get_args(annotation) if isinstance(part, int) and get_origin(a) is tuple), None
            )
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
