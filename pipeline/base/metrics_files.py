"""Metrics of all processes on a data_dir; those of several gateways have a label for each, `gateway`.

prometheus_client adds up the values of all processes, without a distinction. The files of a gateway with a name contain
it (`pipeline.operations.cli.shared_metrics`), so the metrics of gateways are added up by name here: a restarted gateway
continues under its name. Without named gateways nothing is different.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

PREFIX = "streamgauge_gateway_"
LABEL = "gateway"
_NAMED = re.compile(r".*_([a-z0-9-]+)\.\d+\.db")


class CollectorByGateway(MultiProcessCollector):
    """Registers itself."""

    def __init__(self, registry: CollectorRegistry, folder: Path) -> None:
        super().__init__(registry, str(folder))  # type: ignore[no-untyped-call]  # ships no types for it

    def collect(self) -> Iterator[Metric]:
        """Yield one family after the other, for prometheus_client."""
        files: dict[str, list[str]] = defaultdict(list)
        for file in sorted(Path(self._path).glob("*.db")):
            named = _NAMED.fullmatch(file.name)
            files[named.group(1) if named else ""].append(str(file))
        names = sorted(set(files) - {""})
        for metric in self._merged(file for group in files.values() for file in group):
            if not (names and metric.name.startswith(PREFIX)):
                yield metric
        if names:
            yield from self._labelled(files)

    def _labelled(self, files: dict[str, list[str]]) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for name, group in sorted(files.items()):
            for metric in self._merged(group):
                if not metric.name.startswith(PREFIX):
                    continue
                family = families.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
                for sample in metric.samples:
                    if name:
                        family.samples.append(sample._replace(labels={**sample.labels, LABEL: name}))
                    elif sample.value:  # of the worker all are 0; of a gateway started by hand they are not
                        family.samples.append(sample)
        return families.values()

    def _merged(self, files: Iterable[str]) -> Iterable[Metric]:
        merged: Iterable[Metric] = self.merge(list(files))  # type: ignore[no-untyped-call]  # as above
        return merged


def page_of(folder: Path) -> bytes:
    """The metrics in this folder as a page for Prometheus. Raises ValueError if there is no such folder."""
    registry = CollectorRegistry()
    CollectorByGateway(registry, folder)
    return generate_latest(registry)
