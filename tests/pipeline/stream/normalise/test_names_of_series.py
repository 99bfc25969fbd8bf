"""The names of series and zones are prepared once per template; the plain reading of a template says the same."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.stream.normalise.templates import TopicTemplate
from pipeline.stream.normalise.zones import zone_of
from store.record import SeriesIndex, SeriesKey, TableId, dimension_values
from store.values.templates import fill

levels = st.sampled_from(["a", "b", "$x", "+", "{site}", "{b}", "{device}", "{c}"])
templates = st.lists(levels, min_size=1, max_size=5, unique=True).flatmap(
    lambda made: st.sampled_from(["/".join(made), "/".join([*made, "#"]), "#"])
)
topics = st.lists(st.sampled_from(["a", "b", "", "$x", "s-1", "é"]), min_size=1, max_size=6).map("/".join)


def plainly(template: str, topic: str) -> dict[str, str] | None:
    """The dimensions by MQTT 3.1.1, section 4.7, level by level."""
    wanted, given = template.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0][:1] in ("#", "+", "{"):
        return None
    if template == "#":
        return {f"topic_{number}": level for number, level in enumerate(given, start=1) if level}
    if wanted[-1] == "#":
        wanted.pop()
        given = given if len(given) < len(wanted) else given[: len(wanted)]
    if len(wanted) != len(given):
        return None
    pairs = list(zip(wanted, given, strict=True))
    if any(pattern != "+" and not pattern.startswith("{") and pattern != level for pattern, level in pairs):
        return None
    return {pattern[1:-1]: level for pattern, level in pairs if pattern.startswith("{") and level}


@given(templates, topics)
@example("#", "/".join("abcdefghijkl"))  # sorted as text: topic_10 before topic_2
def test_a_template_gives_the_dimensions_of_its_levels_sorted_by_name(template: str, topic: str) -> None:
    expected = plainly(template, topic)

    found = TopicTemplate(template).match(topic)

    assert found == (
        None if expected is None else (tuple(sorted(expected)), tuple(expected[n] for n in sorted(expected)))
    )


@given(
    st.sampled_from(["{a}", "{b}/{a}", "100 %/{a}", "{{x}}", "{a}{a}%s", "{c}"]),
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["x", "%s", "{b}", "ü"])),
)
def test_a_zone_is_its_template_filled_in(template: str, dimensions: dict[str, str]) -> None:
    names = tuple(sorted(dimensions))

    zone = zone_of(template, names, tuple(dimensions[name] for name in names), "any/topic")

    assert zone == fill(template, dimensions)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=12))
def test_series_are_found_by_their_dimensions_and_share_their_names(dimensions: list[dict[str, str]]) -> None:
    index = SeriesIndex(TableId("default", "d", "t"))
    pairs = [tuple(sorted(of.items())) for of in dimensions]

    ids = [index.id_of(SeriesKey(of, "m")) for of in pairs]

    assert [index.keys[series].dimensions for series in ids] == pairs
    assert len({id(key.names) for key in index.keys}) == len({key.names for key in index.keys})
    assert set(index.dimensions) == {name for of in dimensions for name in of}
    assert dimension_values([index.keys[series] for series in ids], "b") == [of.get("b") for of in dimensions]
