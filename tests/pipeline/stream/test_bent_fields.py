"""What was bent is counted by table and field, however many names there are."""

from collections import Counter

from pipeline.stream import bent_fields
from pipeline.stream.bent_fields import MAX_FIELDS, OTHERS, BentFields
from pipeline.stream.normalise.bent import Bend
from store.record import TableId

TABLE = TableId("default", "farm", "climate")


def test_past_the_most_fields_the_others_are_counted_together() -> None:
    bent = BentFields()
    names = [f"made up {number}" for number in range(MAX_FIELDS + 10)]

    for _ in range(2):
        bent.note(Counter({(TABLE, name, Bend.MORE): 1 for name in names}), 7)

    found = {field.field: field.count for field in bent.of("default", 10_000)}
    assert len(found) == MAX_FIELDS + 1
    assert found[OTHERS] == 20
    assert bent.of("another", 10) == []


def test_a_long_name_is_shown_by_its_head() -> None:
    bent = BentFields()

    bent.note(Counter({(TABLE, "x" * 5_000, Bend.RENAMED): 3}), 7)

    (field,) = bent.of("default", 10)
    assert (field.field, field.count, field.last_arrival_ns) == ("x" * bent_fields._MAX_NAME + "…", 3, 7)
