"""Numbers with errors, as people write them."""

from __future__ import annotations

import math

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_UNITS = {
    "m2_s": "m²/s",
    "S_m": "S/m",
    "g_cm3": "g/cm³",
    "kJ_mol": "kJ/mol",
    "Pa_s": "Pa s",
    "per_nm": "nm⁻¹",
    "1/nm": "nm⁻¹",
    "1": "",
}
_SMALL, _LARGE = 1e-3, 1e5
_TWO_DIGITS_BELOW = 30


def unit_text(unit: str) -> str:
    """A unit of a column or reference, as people write it."""
    return _UNITS.get(unit, unit)


def power_of_ten(value: float) -> int:
    """Exponent of the leading digit; 0 of zero."""
    return math.floor(math.log10(abs(value))) if value else 0


def ten_to(exponent: int) -> str:
    """`10⁻¹²`."""
    return f"10{str(exponent).translate(_SUPERSCRIPT)}"


def _error_digits(error: float) -> int:
    """Decimals that show two digits of an error that begins with 1 or 2, and one digit of any other."""
    power = power_of_ten(error)
    leading = error / 10.0 ** (power - 1)
    return 1 - power if leading < _TWO_DIGITS_BELOW - 0.5 else -power


def _fixed(value: float, decimals: int, towards: int = 0) -> str:
    if towards:
        # what is a whole number but for rounding stays one
        steps = value * 10.0**decimals - towards * 1e-9
        value = (math.ceil(steps) if towards > 0 else math.floor(steps)) / 10.0**decimals
    return f"{round(value, decimals):z.{max(0, decimals)}f}".replace("-", "−")


def _spaced(number: str, unit: str) -> str:
    unit = unit_text(unit)
    return f"{number} {unit}" if unit else number


def _scale(value: float) -> int:
    """Power of ten to factor out; 0 for sizes that read well without."""
    return 0 if value == 0 or _SMALL <= abs(value) < _LARGE else power_of_ten(value)


def plain(value: float, unit: str = "", digits: int = 3, towards: int = 0) -> str:
    """A number without error, to `digits` significant digits: the nearest, for `towards` 1 the next above, for -1 below.

    >>> plain(1.63e-10, digits=2), plain(1.63e-10, digits=2, towards=1), plain(-0.261, digits=2, towards=-1)
    ('1.6 × 10⁻¹⁰', '1.7 × 10⁻¹⁰', '−0.27')
    """
    if not math.isfinite(value):
        return "not a number"
    power = _scale(value)
    scaled = value / 10.0**power
    text = _fixed(scaled, digits - 1 - power_of_ten(scaled), towards) if value else "0"
    return _spaced(text if not power else f"{text} × {ten_to(power)}", unit)


def as_given(value: float, unit: str = "", digits: int = 10) -> str:
    """A number as it was given: no zeros are added."""
    power = _scale(value)
    text = f"{value / 10.0**power:z.{digits}g}".replace("-", "−")
    return _spaced(text if not power else f"{text} × {ten_to(power)}", unit)


def never_changed(value: float, error: float) -> bool:
    """Whether an error is zero but for rounding: every block of the run gave the same, which tells nothing of the error."""
    return error <= 1e-9 * max(abs(value), 1e-30)


def with_error(value: float, error: float | None, unit: str = "") -> str:
    """`value ± error unit`, with the digits that the error allows; says if the error is unknown.

    A number that never changed is `value unit (constant)`, to four digits; a count, which is whole, stands alone.
    """
    if not math.isfinite(value):
        return "not a number"
    if error is None or not math.isfinite(error):
        return f"{plain(value, unit)} (error unknown)"
    if error == 0 and float(value).is_integer():
        return as_given(value, unit)
    if never_changed(value, error):
        return f"{as_given(value, unit, digits=4)} (constant)"
    power = _scale(max(abs(value), error))
    value, error = value / 10.0**power, error / 10.0**power
    decimals = _error_digits(error)
    text = f"{_fixed(value, decimals)} ± {_fixed(error, decimals)}"
    if power:
        text = f"({text}) × {ten_to(power)}"
    elif unit_text(unit):
        text = f"({text})"
    return _spaced(text, unit)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 system`, `2 systems`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(names: list[str], most: int = 6) -> str:
    """`a, b and c`; of many, the first few and the number of the rest."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
