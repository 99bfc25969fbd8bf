"""The keys of the model by key path: the nearest valid key for a wrong one, and which settings are secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from pipeline.config.model import Config
from pipeline.config.problems import show_path
from store.values.nearest import nearest
from store.values.yaml_text import KeyPath


def unknown_key(path: KeyPath) -> str | None:
    """Why `path` names no setting, with the nearest valid key; None if it names one."""
    for length, part in enumerate(path):
        section = _annotation_at(path[:length])
        model = _model_of(section)
        if model is None:
            return f"{show_path(path[:length])} is a single value or given whole; it has no {part}"
        keys = valid_keys(model)
        if part not in keys:
            return wrong_key(str(part), path[:length], keys)
    return None


def wrong_key(key: str, section: KeyPath, keys: tuple[str, ...]) -> str:
    """The message for a `key` that the section at this path does not have."""
    near = nearest(key, keys)
    where = f"{show_path(section)} has" if section else "there are"
    hint = f"did you mean {near}? " if near else ""
    return f'"{key}" is not a key known here; {hint}{where} {" ".join(keys)}'


def keys_of(path: KeyPath) -> tuple[str, ...]:
    """The keys of the section at `path`; none if it is not a section with keys of its own."""
    model = _model_of(_annotation_at(path))
    return () if model is None else valid_keys(model)


def valid_keys(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of `model` as they are written in a file."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def is_composite(path: KeyPath) -> bool:
    """Whether the setting at `path` is a list, a mapping or a section."""
    annotation = _annotation_at(path)
    return _model_of(annotation) is not None or any(
        get_origin(part) in (tuple, Mapping) or _origin_is_mapping(part) for part in _parts(annotation)
    )


def is_secret(path: KeyPath) -> bool:
    """Whether a value at `path` must not be shown: it is a secret, or is in the place of a section with a secret."""
    annotation = _annotation_at(path)
    model = _model_of(annotation)
    inside = [] if model is None else [field.annotation for field in model.model_fields.values()]
    return any(part is SecretStr for place in (annotation, *inside) for part in _parts(place))


def _origin_is_mapping(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _annotation_at(path: KeyPath) -> Any:
    """The type at `path`; None if the model has no such setting."""
    here: Any = Config
    for part in path:
        model = _model_of(here)
        if model is not None:
            field = _field(model, part)
            here = None if field is None else field.annotation
        else:
            here = _items_of(here)
    return here


def _field(model: type[BaseModel], key: str | int) -> FieldInfo | None:
    for name, field in model.model_fields.items():
        if key in (name, field.alias):
            return field
    return None


def _parts(annotation: Any) -> Iterator[Any]:
    """The members of `annotation` if it is a union, else `annotation` itself."""
    yield annotation
    if get_origin(annotation) is not tuple and not _origin_is_mapping(annotation):
        yield from get_args(annotation)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for part in _parts(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _items_of(annotation: Any) -> Any:
    """The type of the items of a tuple or of the values of a mapping."""
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is tuple:
        return arguments[0]
    return arguments[1] if _origin_is_mapping(annotation) else None
