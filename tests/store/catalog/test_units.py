import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.catalog.units import conversion, known_units


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (212.0, "fahrenheit", "celsius", 100.0),
        (32.0, "fahrenheit", "celsius", 0.0),
        (-40.0, "celsius", "fahrenheit", -40.0),
        (0.0, "celsius", "kelvin", 273.15),
        (1013.25, "hectopascal", "pascal", 101325.0),
        (36.0, "kilometre_per_hour", "metre_per_second", 10.0),
        (60.0, "mile_per_hour", "kilometre_per_hour", 96.56064),
        (42.0, "percent", "ratio", 0.42),
        (1.0, "inch", "millimetre", 25.4),
        (1.5, "volt", "millivolt", 1500.0),
    ],
)
def test_textbook_values_convert_exactly(value: float, source: str, target: str, expected: float) -> None:
    convert = conversion(source, target)

    assert convert is not None
    assert convert(value) == expected


def test_a_unit_to_itself_and_to_another_name_of_it_needs_no_conversion() -> None:
    assert conversion("celsius", "celsius") is None
    assert conversion("millibar", "hectopascal") is None


def test_units_of_different_dimensions_do_not_convert() -> None:
    with pytest.raises(ValueError, match="celsius is a unit of temperature, percent of ratio"):
        conversion("celsius", "percent")


def test_an_unknown_unit_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        conversion("parsec_per_fortnight", "metre")


def is_convertible(source: str, target: str) -> bool:
    try:
        conversion(source, target)
    except ValueError:
        return False
    return True


same_dimension = st.sampled_from([(a, b) for a in known_units() for b in known_units() if is_convertible(a, b)])


@given(same_dimension, st.floats(-1e6, 1e6))
def test_there_and_back_is_the_same_value(pair: tuple[str, str], value: float) -> None:
    there, back = conversion(*pair), conversion(pair[1], pair[0])

    result = value if there is None or back is None else back(there(value))

    assert result == pytest.approx(value, rel=1e-9, abs=1e-9)
