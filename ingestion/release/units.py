"""The unit of a column: as its model says, or else by its name.

A model says it in `config: {meta: {unit: ...}}` of the column. The names follow a convention, which RULES states. A
count has the unit of what it counts, and a ratio of two equal things has the unit 1.
"""

import re

# the first that matches the whole name
RULES = (
    (r"pct|\w+_percent", "%"),
    (r"\w*_km", "km"),
    (r"\w*_kg", "kg"),
    (r"bmi", "kg/m²"),
    (r"beats_per_minute", "1/min"),
    (r"calories", "kcal"),
    (r"vs_\w+|\w+_vs_\w+|\w*ratio|\w*_rate|\w+_efficiency|\w+_cv|staying(_low|_high)?", "1"),
    (r"steps_per_valid_day", "steps/day"),
    (r"(\w+_)?steps", "steps"),
    (r"(\w+_)?minutes(_\w+)?", "min"),
    (r"(\w+_)?hours", "h"),
    (r"user_days", "participant-days"),
    (r"weeks", "weeks"),
    (r"(\w+_)?days(_\w+)?|day", "days"),
    (r"(\w+_)?users|at_risk|stopped|censored", "participants"),
    (r"(\w+_)?rows(_\w+)?", "rows"),
    (r"\w*conflicts", "conflicts"),
    (r"\w+_records", "records"),
    (r"n_identifiers", "identifiers"),
    (r"cusum_\w+|robust_z", "1"),
    (r"evidence|threshold", "days where the status counts days, else 1"),
    (r"position|occurrence|stage|\w*_?id", "none"),
)
_NUMBERS = re.compile(r"smallint|integer|bigint|real|double precision|numeric.*")


def is_number(data_type: str) -> bool:
    """Whether a column of this PostgreSQL type contains numbers.

    Arguments:
        data_type: the type, as PostgreSQL writes it.

    """
    return _NUMBERS.fullmatch(data_type) is not None


def unit_of(name: str, data_type: str, said: str | None = None) -> str | None:
    """Return the unit of a column; None if it contains no numbers, or if nothing says it.

    Arguments:
        name: the column.
        data_type: its PostgreSQL type.
        said: the unit that the model says.

    """
    if not is_number(data_type):
        return None
    return said or next((unit for rule, unit in RULES if re.fullmatch(rule, name)), None)
