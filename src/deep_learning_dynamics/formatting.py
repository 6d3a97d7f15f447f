"""How numbers are written for people: in figures, tables, sentences and on the terminal."""

from collections.abc import Sequence
from math import isfinite

MINUS = "−"
ALPHA = 0.05  # the level of significance and, as 1 - ALPHA, of intervals


def number(value: float | None, digits: int = 3) -> str:
    """Significant digits, thousands separated, a true minus; "–" for None and NaN."""
    if value is None or value != value:  # NaN
        return "–"
    if abs(value) == float("inf"):
        return f"{MINUS if value < 0 else ''}∞"
    style = ",.0f" if 1000 <= abs(value) < 1e7 else f".{digits}g"
    return f"{value:{style}}".replace("-", MINUS)


def shortened(texts: Sequence[str]) -> dict[str, str]:
    """The texts, with numbers cut to the fewest digits (three or more) that tell them apart."""
    for digits in range(3, 18):
        short = {text: _short(text, digits) for text in texts}
        if len(set(short.values())) == len(short):
            return short
    return {text: text for text in texts}  # "1" and "1.0"


def is_number(text: str) -> bool:
    """Whether it is written as a finite number is: "0100", "1e10" and "nan" may be anything."""
    try:
        value = float(text)
    except ValueError:
        return False
    return isfinite(value) and text in (str(value), str(value).removesuffix(".0"))


def _short(text: str, digits: int) -> str:
    if not is_number(text):
        return text
    whole = text.removesuffix(".0")
    return whole if float(text).is_integer() else f"{float(text):.{digits}g}"


def index(value: float | None) -> str:
    """Three decimals of a number of at most 1; only 1 itself reads 1.000."""
    if value is None or value != value:
        return "–"
    shown = 0.999 if 0.999 < value < 1 else value
    return f"{shown:.3f}".replace("-", MINUS)


def signed(value: float | None, digits: int = 3) -> str:
    """As :func:`number`, with a plus sign where it is positive."""
    plus = "+" if value is not None and value > 0 else ""
    return plus + number(value, digits)


def percent(share: float | None, decimals: int = 1) -> str:
    """A share from 0 to 1 in percent: 0.87352 is "87.4 %"; "–" for None and NaN."""
    if share is None or share != share:
        return "–"
    # Shares are stored in single precision, so that 0.8735 may lie a hair below the tie.
    rounded = round(round(100 * share, 6), decimals)
    return f"{rounded:.{decimals}f} %".replace("-", MINUS)


def p_value(value: float | None) -> str:
    """Two significant digits; "–" for None and NaN."""
    if value is None or value != value:
        return "–"
    return f"{value:.2g}" if value >= 0.0001 else f"{value:.0e}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """ "1 pair", "20 pairs", "1,820 snapshots"."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(parts: Sequence[str], conjunction: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {conjunction} {parts[-1]}"


def capital(text: str) -> str:
    """A title as it stands at the beginning of a line."""
    return text[:1].upper() + text[1:]


def duration(seconds: float) -> str:
    """ "0.4 s", "12 s", "3 min 5 s", "2 h 10 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def size(bytes_: float) -> str:
    """Bytes in decimal units: "4.2 GB"."""
    for unit in ("bytes", "kB", "MB"):
        if bytes_ < 1000:
            return f"{bytes_:,.0f} {unit}" if unit == "bytes" else f"{bytes_:,.3g} {unit}"
        bytes_ /= 1000
    return f"{bytes_:,.3g} GB"
