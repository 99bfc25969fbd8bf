"""Reads FLEET.yaml into a `Fleet`; tells every problem as `file:line: message`, unknown keys with the nearest one."""

from __future__ import annotations

import difflib
import types
from pathlib import Path
from typing import Any, TypeAlias, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from simulators.errors import FleetFileError
from simulators.fleet import Fleet

KeyPath: TypeAlias = tuple[str | int, ...]


def load_fleet(path: Path) -> Fleet:
    """The fleet that the file describes. Raises FleetFileError with all that is wrong, in order of lines."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FleetFileError([f"{path}: cannot be read: {error}"]) from error
    return parse_fleet(text, str(path))


def parse_fleet(text: str, name: str) -> Fleet:
    """The fleet that `text` describes; `name` stands for the file in messages."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FleetFileError([f"{name}:{line}: not YAML: {error.problem or error.context}"]) from error
    lines: dict[KeyPath, int] = _lines(root) if root is not None else {(): 1}
    try:
        return Fleet.model_validate({} if data is None else data)
    except ValidationError as error:
        problems = sorted({_problem(problem, lines) for problem in error.errors(include_url=False)})
        raise FleetFileError([f"{name}:{line}: {message}" for line, message in problems]) from error


def _lines(node: yaml.Node, path: KeyPath = ()) -> dict[KeyPath, int]:
    """The line of every key and list element, counted from 1."""
    lines = {path: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            lines |= _lines(value, below)
            lines[below] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines |= _lines(value, (*path, index))
    return lines


def _problem(problem: Any, lines: dict[KeyPath, int]) -> tuple[int, str]:
    """One of pydantic's problems as (line, message); a path into a union's branch is cut to what the file has."""
    path: KeyPath = tuple(problem["loc"])
    if problem["type"] == "missing":
        section = _in_file(path[:-1], lines)
        return lines[section], f"{_show(section)}{path[-1]} is missing"
    if problem["type"] == "extra_forbidden":
        return lines[_in_file(path, lines)], _unknown_key(path)
    at = _in_file(path, lines)
    message = problem["msg"].removeprefix("Value error, ")
    value = problem["input"]
    shown = f" (it is {value!r})" if isinstance(value, str | int | float | bool) and str(value) not in message else ""
    where = _show(at).removesuffix(".")
    return lines[at], f"{where + ': ' if where else ''}{message}{shown}"


def _in_file(path: KeyPath, lines: dict[KeyPath, int]) -> KeyPath:
    while path not in lines:
        path = path[:-1]
    return path


def _show(path: KeyPath) -> str:
    text = "".join(f"[{part}]." if isinstance(part, int) else f"{part}." for part in path)
    return text.replace(".[", "[")


def _unknown_key(path: KeyPath) -> str:
    """What to say of a key that its section does not have."""
    model = _model_at(path[:-1])
    keys = [field.alias or name for name, field in model.model_fields.items()] if model else []
    near = difflib.get_close_matches(str(path[-1]), keys, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
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
