from typing import Any

import pytest

from pipeline.base.errors import ConfigError
from pipeline.config.tables import Table
from pipeline.stream.normalise.routes import Route, TimeField, TimeUnit, routes_from, topic_filter_of
from pipeline.stream.normalise.templates import TopicTemplate
from pipeline.stream.normalise.zones import zone_of
from store.record import MeasureType


@pytest.mark.parametrize(
    ("template", "mqtt_topic", "dimensions"),
    [
        ("gh/{zone}/{sensor}", "gh/north/s-1", (("sensor", "zone"), ("s-1", "north"))),
        ("gh/{zone}/{sensor}", "gh/north", None),
        ("gh/{zone}/{sensor}", "gh/north/s-1/x", None),
        ("gh/{zone}/{sensor}", "GH/north/s-1", None),
        ("gh/{zone}/{sensor}", "gh//s-1", (("sensor",), ("s-1",))),
        ("gh/+/{sensor}", "gh/north/s-1", (("sensor",), ("s-1",))),
        ("gh/{zone}/#", "gh/north/a/b", (("zone",), ("north",))),
        ("gh/{zone}/#", "gh/north", (("zone",), ("north",))),
        ("gh/{zone}/#", "gh", None),
        ("plain", "plain", ((), ())),
        ("#", "a/b", (("topic_1", "topic_2"), ("a", "b"))),
        ("#", "a//c", (("topic_1", "topic_3"), ("a", "c"))),
        ("#", "$SYS/x", None),
        ("+/x", "$SYS/x", None),
        ("{a}/x", "$SYS/x", None),
        ("$SYS/{a}", "$SYS/x", (("a",), ("x",))),
    ],
)
def test_a_template_takes_the_topics_it_fits_and_reads_their_dimensions(
    template: str, mqtt_topic: str, dimensions: object
) -> None:
    assert TopicTemplate(template).match(mqtt_topic) == dimensions


def test_names_of_levels_are_dimensions_and_no_others() -> None:
    assert TopicTemplate("a/{b}").is_dimension("b")
    assert not TopicTemplate("a/{b}").is_dimension("topic_1")
    assert TopicTemplate("#").is_dimension("topic_12")
    assert not TopicTemplate("#").is_dimension("topic_012")


@pytest.mark.parametrize(
    ("template", "mqtt_topic", "zone"),
    [
        ("{greenhouse}/{zone}", "x", "gh-07/north"),
        ("{zone}", "x", "north"),
        ("{nothing}", "x", None),
        (None, "a/b/c", "a/b"),
        (None, "a", "a"),
        (None, "/a", "a"),
    ],
)
def test_a_zone_is_its_template_filled_in_or_the_topic_without_its_last_level(
    template: str | None, mqtt_topic: str, zone: str | None
) -> None:
    assert zone_of(template, ("greenhouse", "zone"), ("gh-07", "north"), mqtt_topic) == zone


def the_route(**settings: Any) -> Route:
    (route,) = routes_from([Table(name="agriculture.readings", topics="gh/{zone}/{sensor}", **settings)])
    return route


def test_a_table_of_the_configuration_becomes_a_route() -> None:
    route = the_route(
        zone="zone",
        time={"field": "ts", "unit": "us"},
        measure_name="climate",
        dimensions=["device_id"],
        limits={"future": "5m"},
        retention={"memory": "1h", "magnetic": "1d"},
    )

    assert (route.database, route.table, route.measure_name) == ("agriculture", "readings", "climate")
    assert route.topics == TopicTemplate("gh/{zone}/{sensor}")
    assert (route.zone, route.time) == ("{zone}", TimeField("ts", TimeUnit.US))
    assert (route.future_ns, route.late_ns) == (300 * 10**9, 25 * 3600 * 10**9)
    assert route.is_dimension("device_id")
    assert route.is_dimension("sensor")


def test_fields_are_converted_to_the_unit_of_the_measure_they_become() -> None:
    route = the_route(
        measures={
            "temp_f": {"as": "temperature", "unit": "fahrenheit"},
            "temperature": {"unit": "celsius"},
            "rssi": {"type": "bigint"},
            "n": {"as": "rssi"},
            "plain": {},
        }
    )

    temp_f = route.measures["temp_f"]
    assert (temp_f.name, temp_f.type) == ("temperature", MeasureType.DOUBLE)
    assert temp_f.convert is not None
    assert temp_f.convert(212.0) == 100.0
    assert route.measures["temperature"].convert is None
    assert route.measures["n"].type is MeasureType.BIGINT
    assert route.measures["plain"].type is None


def test_a_field_with_the_name_of_a_renamed_measure_has_its_type() -> None:
    route = the_route(measures={"n": {"as": "count", "type": "bigint"}})

    assert route.measures["count"].type is MeasureType.BIGINT


def test_a_measure_has_one_type() -> None:
    with pytest.raises(ConfigError, match="b: type double for the measure 'x', which another field makes bigint"):
        the_route(measures={"a": {"as": "x", "type": "bigint"}, "b": {"as": "x", "type": "double"}})


def test_only_doubles_are_converted() -> None:
    with pytest.raises(ConfigError, match="converting percent to ratio needs the type double; 'x' is bigint"):
        the_route(measures={"x": {"unit": "ratio", "type": "bigint"}, "y": {"as": "x", "unit": "percent"}})


@pytest.mark.parametrize(
    ("template", "dimensions", "expected"),
    [
        ("gh/{house}/{sensor}", {"house": "gh-1", "sensor": "s-1", "zone": "x"}, "gh/gh-1/s-1"),
        ("gh/{house}/{sensor}/#", {"house": "gh-1"}, "gh/gh-1/+/#"),
        ("+/{house}", {"house": "a/b"}, "+/+"),
        ("#", {"topic_1": "a", "topic_2": "b", "topic_4": "d"}, "a/b"),
        ("#", {"sensor": "s-1"}, None),
    ],
)
def test_the_topics_of_a_device_are_known_by_its_dimensions(
    template: str, dimensions: dict[str, str], expected: str | None
) -> None:
    of_template = Route("farm", "air", TopicTemplate(template))

    assert topic_filter_of([of_template], "farm.air", dimensions) == expected
    assert topic_filter_of([of_template], "farm.other", dimensions) is None
