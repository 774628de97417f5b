"""Tables with one row per record."""

from collections.abc import Iterable

from ingestion.formats.apple_health.records import Record
from ingestion.formats.apple_health.table import Row, Table, local_time, offset_of

_KILOGRAMS = {"kg": 1.0, "g": 0.001, "lb": 0.45359237, "oz": 0.028349523125, "st": 6.35029318}
_BOOLEANS = {"1": "true", "0": "false"}


class HeartRate(Table):
    """Heart rate in beats per minute."""

    record = "HKQuantityTypeIdentifierHeartRate"
    columns = ("startDate", "offset", "value")

    def add(self, record: Record) -> Iterable[Row]:
        """Yield the record's row."""
        number = record.number("count/min")
        beats = record if number is None else round(number)
        yield local_time(record), offset_of(record), beats, {"sourceName": record.device}


class BodyMass(Table):
    """Body mass in kilograms."""

    record = "HKQuantityTypeIdentifierBodyMass"
    columns = ("startDate", "offset", "kilograms", "HKWasUserEntered")

    def add(self, record: Record) -> Iterable[Row]:
        """Yield the record's row; `_extra` keeps the value in its own unit."""
        number = record.number(*_KILOGRAMS)
        kilograms = record if number is None else round(number * _KILOGRAMS[record.unit], 4)
        is_typed = _BOOLEANS.get(record.metadata.get("HKWasUserEntered", ""))
        extra = {"sourceName": record.device, "value": record.value, "unit": record.unit}
        yield local_time(record), offset_of(record), kilograms, is_typed, extra
