"""`/v1/zones/{zone}/averages` and `/v1/averages`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from pipeline.api.http import responses
from pipeline.api.http.averages_formats import Shape, encoded, media_type, with_formats
from pipeline.api.http.averages_request import Asked, asked
from pipeline.api.http.openapi import answers
from pipeline.api.http.problems import bad_parameter
from pipeline.api.http.services import Services, asker, services
from pipeline.api.http.slots import Asker
from pipeline.api.inventory.stores import by_table
from store.catalog.rollup_table import RollupTable
from store.engine import interruption
from store.reading.averages import Average, zone_averages
from store.reading.snapshot import Snapshot
from store.reading.spreads import SensorSpread, sensor_spreads, zone_percentiles
from store.record import SeriesIndex
from store.values.times import rfc3339

router = APIRouter(prefix="/v1", tags=["averages"])

Parts = Annotated[Services, Depends(services)]
Asking = Annotated[Asker, Depends(asker)]
What = Annotated[Asked, Depends(asked)]

TIMEOUT_S = 30.0
MAX_NAMES = 200  # zones, and measures, of one request
MAX_AVERAGES = 200_000  # of one response: about 20 MB
MAX_OF_SENSORS = 2_000_000  # averages of single sensors, of which a spread is made


@router.get(
    "/zones/{zone:path}/averages",
    summary="Averages of one zone",
    **with_formats(answers(responses.Averages, 404, 409, 504)),
)
async def averages_of_zone(parts: Parts, asker: Asking, zone: str, measure: str, what: What) -> Response:
    """The mean over all rows in [from, to), by bin if one is given. The zone's name may hold slashes."""
    return await _averages(parts, asker, [zone], [measure], what, lambda results: results[0])


@router.get(
    "/averages",
    summary="Averages of several zones and measures",
    **with_formats(answers(responses.AveragesOfSeveral, 404, 409, 504)),
)
async def averages(
    parts: Parts,
    asker: Asking,
    zone: Annotated[list[str], Query()],
    measure: Annotated[list[str], Query()],
    what: What,
) -> Response:
    """One result a zone and measure, in the order they were named first. At most 200 zones, and 200 measures."""
    zones, measures = _names("zone", zone), _names("measure", measure)
    return await _averages(parts, asker, zones, measures, what, lambda results: {"results": results})


async def _averages(
    parts: Services, asker: Asker, zones: list[str], measures: list[str], what: Asked, shape: Shape
) -> Response:
    _check_size(zones, measures, what)

    def answer() -> bytes:
        members = {zone: parts.directory.members(asker.account, zone, what.table) for zone in zones}
        shaped: dict[tuple[str, str], responses.Averages] = {}
        with parts.store.snapshot(asker.account) as snapshot:
            for index, series in by_table(members):
                found = _Found(snapshot, index, series, measures, what, _rollups_of(parts, index))
                shaped |= {key: found.shaped(*key) for key in found.averages}
        return encoded([shaped[zone, measure] for zone in zones for measure in measures], what, shape)

    text = f"averages of {', '.join(measures)} in {', '.join(zones)}"
    content = await parts.queries.run(asker, answer, timeout_s=TIMEOUT_S, text=text)
    return Response(content, media_type=media_type(what), headers={"vary": "accept"})


def _check_size(zones: list[str], measures: list[str], what: Asked) -> None:
    """Raise Problem for a response that would be too large."""
    if what.count * len(zones) * len(measures) > MAX_AVERAGES:
        told = f"{len(zones)} zones, {len(measures)} measures and {what.count:,} bins"
        name, value = ("zone", f"{len(zones)} zones") if what.bins is None else ("bin", what.width)
        raise bad_parameter(name, value, f"at most {MAX_AVERAGES:,} averages in a response, and these are {told}")


def _rollups_of(parts: Services, index: SeriesIndex) -> list[RollupTable]:
    """The rollup tables of the table."""
    return [of for of in parts.rollups if of.source == (index.table.database, index.table.table)]


class _Found:
    """What was found of the zones of one table."""

    def __init__(
        self,
        snapshot: Snapshot,
        index: SeriesIndex,
        zones: Mapping[str, Sequence[int]],
        measures: list[str],
        what: Asked,
        rollups: Sequence[RollupTable],
    ) -> None:
        table = index.table
        self._what = what
        self._units = snapshot.schema(table.database, table.table).settings.units
        of = snapshot, index, zones, measures
        self.averages = zone_averages(
            *of, from_ns=what.from_ns, to_ns=what.to_ns, bins=what.bins, rollups=rollups, now_ns=what.now_ns
        )
        self._percentiles = {}
        self._sensors = {}
        if what.percentiles:
            shares = list(what.percentiles.values())
            self._percentiles = zone_percentiles(*of, shares, from_ns=what.from_ns, to_ns=what.to_ns, bins=what.bins)
        if what.sensors:
            count = what.count * len(measures) * sum(map(len, zones.values()))
            if count > MAX_OF_SENSORS:
                told = f"at most {MAX_OF_SENSORS:,} averages of sensors and bins, and these are {count:,}"
                raise bad_parameter("sensors", "true", told)
            self._sensors = sensor_spreads(*of, from_ns=what.from_ns, to_ns=what.to_ns, bins=what.bins)

    def shaped(self, zone: str, measure: str) -> responses.Averages:
        """The result for clients."""
        interruption.check()
        return {
            "zone": zone,
            "measure": measure,
            "unit": self._units.get(measure),
            "bin": self._what.width,
            "averages": [self._row(zone, measure, row) for row in self.averages[zone, measure]],
        }

    def _row(self, zone: str, measure: str, row: Average) -> responses.Average:
        """Without bins, the time of the only average is `from`."""
        shown: responses.Average = {
            "time": rfc3339(self._what.from_ns if row.time_ns is None else row.time_ns),
            "average": row.average,
            "min": row.min,
            "max": row.max,
            "count": row.count,
        }
        numbers = self._percentiles.get((zone, measure), {}).get(row.time_ns)
        if numbers is not None:  # a bin of a rollup table has none
            shown["percentiles"] = dict(zip(self._what.percentiles, numbers, strict=True))
        spread = self._sensors.get((zone, measure), {}).get(row.time_ns)
        if spread is not None:
            shown["sensors"] = _shown_spread(spread)
        return shown


def _shown_spread(spread: SensorSpread) -> responses.SensorSpread:
    return {
        "count": spread.count,
        "min": spread.min,
        "p10": spread.p10,
        "p50": spread.p50,
        "p90": spread.p90,
        "max": spread.max,
    }


def _names(parameter: str, given: list[str]) -> list[str]:
    """The names, each once. Raises Problem if there are too many."""
    names = list(dict.fromkeys(given))
    if len(names) > MAX_NAMES:
        raise bad_parameter(parameter, f"{len(names)} names", f"at most {MAX_NAMES} in a request")
    return names
