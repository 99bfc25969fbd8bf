"""Units of measures, and exact conversions between them.

Never guesses: a unit that is not in the table is unknown, and units of different quantities are not converted. A unit
is a linear map to the base unit of its quantity, stored as fractions, so that a conversion is one expression with
integer coefficients, `(x * factor + shift) / divisor`: 212 fahrenheit are exactly 100 celsius, in rows and in columns.

Sources: The International System of Units (BIPM, 9th edition 2019, tables 4 and 8); other factors: NIST Special
Publication 811 (2008), appendix B.8. Ratios "parts per" follow NIST SP 811, 7.10.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit: `base = (x + offset) * scale`; `dimension` is the quantity that it measures."""

    dimension: str
    scale: Fraction
    offset: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Conversion:
    """The linear map `(x * factor + shift) / divisor`; floats, so that Python and Arrow compute the same bits."""

    factor: float
    shift: float
    divisor: float

    def __call__(self, value: float) -> float:
        """The value in the target unit; infinite if it is beyond the range of a double."""
        return (value * self.factor + self.shift) / self.divisor


def _units(dimension: str, **scales: str) -> dict[str, Unit]:
    return {name: Unit(dimension, Fraction(scale)) for name, scale in scales.items()}


_TABLE: dict[str, Unit] = {
    "kelvin": Unit("temperature", Fraction(1)),
    "celsius": Unit("temperature", Fraction(1), Fraction("273.15")),
    "fahrenheit": Unit("temperature", Fraction(5, 9), Fraction("459.67")),
    **_units(
        "pressure",
        pascal="1",
        hectopascal="100",
        kilopascal="1000",
        megapascal="1000000",
        millibar="100",
        bar="100000",
        psi="6894.757",
        mmhg="133.3224",
        inhg="3386.389",
        atmosphere="101325",
    ),
    **_units(
        "length",
        metre="1",
        micrometre="1/1000000",
        millimetre="1/1000",
        centimetre="1/100",
        kilometre="1000",
        inch="0.0254",
        foot="0.3048",
        yard="0.9144",
        mile="1609.344",
    ),
    **_units(
        "speed",
        metre_per_second="1",
        kilometre_per_hour="5/18",
        mile_per_hour="0.44704",
        knot="1852/3600",
        foot_per_second="0.3048",
    ),
    **_units(
        "mass",
        kilogram="1",
        gram="1/1000",
        milligram="1/1000000",
        tonne="1000",
        pound="0.45359237",
        ounce="0.028349523125",
    ),
    **_units(
        "volume",
        cubic_metre="1",
        litre="1/1000",
        millilitre="1/1000000",
        gallon_us="0.003785411784",
        gallon_uk="0.00454609",
        cubic_foot="0.028316846592",
    ),
    **_units(
        "flow",
        cubic_metre_per_second="1",
        cubic_metre_per_hour="1/3600",
        litre_per_second="1/1000",
        litre_per_minute="1/60000",
        litre_per_hour="1/3600000",
    ),
    **_units("ratio", ratio="1", percent="1/100", permille="1/1000", ppm="1/1000000", ppb="1/1000000000"),
    **_units("time", second="1", millisecond="1/1000", microsecond="1/1000000", minute="60", hour="3600", day="86400"),
    **_units("voltage", volt="1", millivolt="1/1000", kilovolt="1000"),
    **_units("current", ampere="1", milliampere="1/1000"),
    **_units(
        "power", watt="1", milliwatt="1/1000", kilowatt="1000", megawatt="1000000", horsepower="745.69987158227022"
    ),
    **_units("energy", joule="1", kilojoule="1000", megajoule="1000000", watt_hour="3600", kilowatt_hour="3600000"),
    **_units("frequency", hertz="1", kilohertz="1000", megahertz="1000000", rpm="1/60"),
    **_units("angle", degree="1", radian="57.295779513082320877"),
    **_units(
        "conductivity", siemens_per_metre="1", millisiemens_per_centimetre="1/10", microsiemens_per_centimetre="1/10000"
    ),
    **_units("illuminance", lux="1", kilolux="1000"),
    **_units("irradiance", watt_per_square_metre="1"),
    **_units("photon_flux", micromole_per_square_metre_second="1"),
    **_units(
        "concentration",
        kilogram_per_cubic_metre="1",
        gram_per_litre="1",
        milligram_per_litre="1/1000",
        milligram_per_cubic_metre="1/1000000",
        microgram_per_cubic_metre="1/1000000000",
    ),
    **_units("information", byte="1", kibibyte="1024", mebibyte="1048576", bit="1/8"),
    **_units("sound_level", decibel="1"),
    **_units("signal_level", dbm="1"),
    **_units("acidity", ph="1"),
    **_units("count", count="1"),
}


def known_units() -> tuple[str, ...]:
    """The names of all units, sorted."""
    return tuple(sorted(_TABLE))


def conversion(source: str, target: str) -> Conversion | None:
    """The conversion from `source` to `target`; None if they are the same.

    Raises KeyError for an unknown unit and ValueError if the units measure different quantities.
    """
    a, b = _TABLE[source], _TABLE[target]
    if a.dimension != b.dimension:
        raise ValueError(f"{source} is a unit of {a.dimension}, {target} of {b.dimension}: these cannot be converted")
    factor = a.scale / b.scale
    shift = a.offset * factor - b.offset
    if factor == 1 and shift == 0:
        return None
    divisor = math.lcm(factor.denominator, shift.denominator)
    return Conversion(float(factor * divisor), float(shift * divisor), float(divisor))
