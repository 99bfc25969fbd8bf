"""What was altered is counted by table and field, however many names there are."""

from collections import Counter

from pipeline.stream import altered_fields
from pipeline.stream.altered_fields import MAX_FIELDS, OTHERS, AlteredFields
from pipeline.stream.normalise.alterations import Alteration
from store.record import TableId

TABLE = TableId("default", "farm", "climate")


def test_past_the_most_fields_the_others_are_counted_together() -> None:
    altered = AlteredFields()
    names = [f"made up {number}" for number in range(MAX_FIELDS + 10)]

    for _ in range(2):
        altered.note(Counter({(TABLE, name, Alteration.MORE): 1 for name in names}), 7)

    found = {field.field: field.count for field in altered.of("default", 10_000)}
    assert len(found) == MAX_FIELDS + 1
    assert found[OTHERS] == 20
    assert altered.of("another", 10) == []


def test_a_long_name_is_shown_by_its_head() -> None:
    altered = AlteredFields()

    altered.note(Counter({(TABLE, "x" * 5_000, Alteration.RENAMED): 3}), 7)

    (field,) = altered.of("default", 10)
    assert (field.field, field.count, field.last_arrival_ns) == ("x" * altered_fields._MAX_NAME + "…", 3, 7)
