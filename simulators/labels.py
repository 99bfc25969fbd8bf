"""The labels of injected faults: the ground truth for a detector's score, as CSV or JSON lines.

One label is one fault of one sensor. `from` and `to` are the times of its first and last reading as published (for
readings suppressed by a dropout, the times they would have had), so a row of the store belongs to a label exactly if
sensor and measure are the same and its time is in [from, to]. `FaultKind` has the units of `magnitude`.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

from simulators.fleet import FaultKind
from store.values.times import NS_PER_MS, rfc3339

COLUMNS = ("sensor", "mqtt_topic", "measure", "kind", "from", "to", "magnitude")


@dataclass(slots=True)
class Label:
    """One fault; `last_ms` grows while it lasts. `measure` is empty if the fault affects the whole message."""

    sensor: str
    mqtt_topic: str
    measure: str
    kind: FaultKind
    first_ms: int
    last_ms: int
    magnitude: float

    def row(self) -> dict[str, str | float]:
        """The label under the names of `COLUMNS`."""
        times = rfc3339(self.first_ms * NS_PER_MS, 3), rfc3339(self.last_ms * NS_PER_MS, 3)
        values = (self.sensor, self.mqtt_topic, self.measure, str(self.kind), *times, round(self.magnitude, 4))
        return dict(zip(COLUMNS, values, strict=True))


def format_labels(labels: list[Label], *, as_csv: bool) -> str:
    """The text of a labels file, by first time."""
    rows = [label.row() for label in sorted(labels, key=lambda label: (label.first_ms, label.sensor, label.kind))]
    if not as_csv:
        return "".join(json.dumps(row) + "\n" for row in rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_labels(path: Path, labels: list[Label]) -> None:
    """Write the file; a name that ends in .csv gets CSV, any other JSON lines."""
    path.write_text(format_labels(labels, as_csv=path.suffix == ".csv"), encoding="utf-8")
