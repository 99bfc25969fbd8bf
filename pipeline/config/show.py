"""The effective configuration as YAML: every setting with its origin, secrets masked."""

from __future__ import annotations

from pipeline.config.load import Loaded
from store.values.yaml_text import KeyPath, inline

DEFAULT = "default"


def show_config(loaded: Loaded, *, origins: bool = True) -> str:
    """The settings as a streamgauge.yaml, one line each. With `origins` every value is followed by its origin."""
    lines: list[str] = []
    _section(lines, loaded, loaded.config.model_dump(mode="json", by_alias=True), (), origins=origins)
    return "\n".join(lines) + "\n"


def _section(lines: list[str], loaded: Loaded, values: dict[str, object], path: KeyPath, *, origins: bool) -> None:
    indent = "  " * len(path)
    for key, value in values.items():
        here = (*path, key)
        label = indent + inline(key) + ":"
        if isinstance(value, dict) and value:
            lines.append(label)
            _section(lines, loaded, value, here, origins=origins)
        elif isinstance(value, list) and value:
            lines.append(label)
            lines += [
                _with_origin(f"{indent}  - {inline(item)}", loaded, (*here, i), origins) for i, item in enumerate(value)
            ]
        else:
            lines.append(_with_origin(f"{label} {inline(value)}", loaded, here, origins))


def _with_origin(line: str, loaded: Loaded, path: KeyPath, wanted: bool) -> str:
    return f"{line}  # {_origin(loaded, path)}" if wanted else line


def _origin(loaded: Loaded, path: KeyPath) -> str:
    """The origin of the setting, or of its section if an override sets the section as a whole.

    A line of a file counts only for the setting itself, because the rest of its section is default.
    """
    if path in loaded.origins:
        return loaded.origins[path]
    for length in range(len(path) - 1, 0, -1):
        around = loaded.origins.get(path[:length])
        if around is not None:
            return DEFAULT if ":" in around else around
    return DEFAULT
