"""Templates to HTML: what every page can use, and how values are written."""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from markupsafe import Markup, escape

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
NOTHING = "—"
BYTES = ("bytes", "kB", "MB", "GB", "TB")
SYMBOLS = {"celsius": "°C", "fahrenheit": "°F", "kelvin": "K", "percent": "%", "hectopascal": "hPa", "volt": "V"}
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)")
MENU = (
    ("/", "Overview"),
    ("/alerts", "Alerts"),
    ("/query", "Query"),
    ("/ingest", "Ingest"),
    ("/devices", "Devices"),
    ("/rules", "Rules"),
    ("/system", "System"),
)


class Pages:
    """The templates."""

    def __init__(self) -> None:
        self._jinja = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.static = f"/static/{digest_of(STATIC)}"
        self._jinja.globals |= {
            "static": self.static,
            "menu": MENU,
            "version": importlib.metadata.version("streamgauge"),
            "url": url,
            "device_url": device_url,
        }
        self._jinja.filters |= {
            "number": number,
            "count": count,
            "bytes": bytes_text,
            "unit": unit,
            "time": time_element,
            "with_times": with_times,
            "sparkline": sparkline,
            "pairs": pairs,
        }

    def render(self, name: str, **values: Any) -> str:
        """The HTML of a template."""
        return self._jinja.get_template(name).render(values)


def digest_of(folder: Path) -> str:
    """A name for the content of a folder, so that browsers may keep its files for ever."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def url(path: str, **parameters: object) -> str:
    """`path` with the parameters that are not None."""
    given = [(name.rstrip("_"), str(value)) for name, value in parameters.items() if value is not None]
    return quote(path, safe="/") + ("?" + urlencode(given) if given else "")


def device_url(of: Mapping[str, Any]) -> str:
    """The page of the device of a series, by its table and dimensions."""
    pairs_of = [("dimension", f"{name}={value}") for name, value in of["dimensions"].items()]
    return "/device?" + urlencode([("table", of["table"]), *pairs_of])


def number(value: float | None) -> str:
    """A measured value: four significant digits, and whole numbers as they are."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    digits = max(0, min(6, 3 - math.floor(math.log10(abs(value)))))
    return f"{value:,.{digits}f}"


def count(value: float | None) -> str:
    """A whole number with separators."""
    return NOTHING if value is None else f"{value:,.0f}"


def bytes_text(value: int) -> str:
    """A number of bytes, with four digits."""
    power = min(len(BYTES) - 1, int(math.log10(max(value, 1)) // 3))
    return f"{value / 1000**power:.4g} {BYTES[power]}"


def unit(name: str | None) -> str:
    """How a unit is written; one without a symbol by its name."""
    return SYMBOLS.get(name, name) if name else ""


def time_element(value: str | None) -> Markup | str:
    """A time of the API: UTC in the text, which times.js writes in the browser's time zone."""
    if value is None:
        return NOTHING
    shown = datetime.fromisoformat(value).astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(value, shown.strftime("%Y-%m-%d %H:%M:%S"))


def with_times(text: str) -> Markup:
    """A text whose times are written as all others on the page."""
    parts = _TIME.split(text)  # every second one is a time
    return Markup("").join(time_element(part) if place % 2 else escape(part) for place, part in enumerate(parts))


def pairs(values: dict[str, object]) -> str:
    """`name=value` of each, with spaces between."""
    return " ".join(f"{name}={value}" for name, value in values.items())


def sparkline(values: Sequence[float | None], width: int = 120, height: int = 28) -> Markup:
    """A small line of the values, without axes; screen readers leave it out, as its last value stands beside it."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    scale = (height - 4) / ((high - low) or 1)
    step = width / max(1, len(values) - 1)
    points = " ".join(
        f"{place * step:.1f},{height - 2 - (value - low) * scale:.1f}"
        for place, value in enumerate(values)
        if value is not None
    )
    line = f'<polyline points="{points}"/>' if len(known) > 1 else ""
    box = f'viewBox="0 0 {width} {height}" preserveAspectRatio="none"'
    return Markup(f'<svg class="sparkline" {box} aria-hidden="true">{line}</svg>')  # noqa: S704  # numbers
