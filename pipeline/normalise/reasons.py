"""Why a message could not become a record: every reason there is. Metric label, dead letter, filter of the archive."""

from __future__ import annotations

import enum


class Reason(enum.StrEnum):
    """The reason of a dead letter; its detail says the value and what is allowed."""

    NO_ROUTE = "no_route"  # no table's template matches the MQTT topic
    EMPTY_PAYLOAD = "empty_payload"  # no bytes, or white space alone
    INVALID_UTF8 = "invalid_utf8"
    INVALID_JSON = "invalid_json"
    NOT_FINITE = "not_finite"  # NaN, an infinity, or a number beyond a double
    TOO_DEEP = "too_deep"  # objects inside objects beyond MAX_DEPTH
    ARRAY_INSIDE = "array_inside"  # an array as a value, or an array of something else than objects
    NO_MEASURES = "no_measures"  # nothing but time, dimensions and nulls
    TOO_MANY_MEASURES = "too_many_measures"
    WRONG_TYPE = "wrong_type"  # of a listed measure, or another kind than the measure was first seen with
    OUT_OF_RANGE = "out_of_range"  # an integer beyond its type, a text beyond its length
    BAD_NAME = "bad_name"  # a field that no measure may be called
    BAD_DIMENSION = "bad_dimension"  # dimensions that together are longer, or more, than a series may have
    TIME_MISSING = "time_missing"
    TIME_UNREADABLE = "time_unreadable"
    TIME_OUT_OF_RANGE = "time_out_of_range"  # before 1970 or after 2262-04-11
    TOO_FAR_AHEAD = "too_far_ahead"  # later than its arrival by more than the table's future limit
    TOO_LATE = "too_late"  # earlier than its arrival by more than the table's retention
    DAMAGED_FRAME = "damaged_frame"  # a log message that cannot be read
