"""The follow-up list as REDCap imports it, and the data dictionary of the instrument that takes it.

REDCap's import has one row a record: the field of the record's id first, then the event of a longitudinal project, then
the fields by their names, with the codes of choices and dates as YYYY-MM-DD.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from ingestion.follow_up import CAUSES, CERTAINTIES, REASONS, WEARING_LESS_BY, Entry

INSTRUMENT = "wearable_follow_up"
_NOT_LISTED = 0

DICTIONARY_COLUMNS = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)


# projects keep these codes: never change one, only add
_REASONS = {"never_started": 1, "not_synchronising": 2, "stopped": 3, "wearing_less": 4, "moving_less": 5}
_LESS_BY = {"fewer_days": 1, "no_valid_day": 2, "fewer_hours": 3}
_CERTAINTIES = {"counted": 1, "clear": 2, "likely": 3, "fading": 4}
_CAUSES = {"not_worn": 1, "not_synchronised": 2, "battery_low": 3, "unknown": 4}


@dataclass(frozen=True)
class _Field:
    """A field of the instrument.

    Arguments:
        name: its name. Projects keep it, as they keep the codes.
        label: what a person reads.
        value: its value for an entry.
        choices: for a field of choices: the label of each code.
        validation: for a field of text: REDCap's validation.
        note: what else a person should know.

    """

    name: str
    label: str
    value: Callable[[Entry], object]
    choices: Mapping[int, str] | None = None
    validation: str = ""
    note: str = ""


def _day(name: str, label: str, value: Callable[[Entry], object], note: str = "") -> _Field:
    return _Field(name, label, value, validation="date_ymd", note=note)


def _choices(codes: Mapping[str, int], labels: Mapping[Any, str]) -> dict[int, str]:
    return {code: labels[value] for value, code in codes.items()}


_REASON = _Field(
    "fu_reason",
    "Why to call",
    lambda entry: _REASONS[entry.reason],
    {_NOT_LISTED: "not on the list", **_choices(_REASONS, REASONS)},
)
_AS_OF = _day("fu_as_of", "As of", lambda entry: entry.as_of_date, "The last complete day of the data")
_FIELDS = (
    _AS_OF,
    _REASON,
    _Field(
        "fu_less_by",
        "Wearing less: by what",
        # who does not synchronise may wear it less, too
        lambda entry: _LESS_BY.get(entry.wearing_less_by or "") if entry.reason == "wearing_less" else None,
        _choices(_LESS_BY, WEARING_LESS_BY),
    ),
    _day("fu_since", "Since", lambda entry: entry.since_date, "The first day of the change"),
    _day("fu_said_on", "On the list since", lambda entry: entry.said_on),
    _Field(
        "fu_certainty",
        "How sure",
        lambda entry: _CERTAINTIES[entry.certainty],
        _choices(_CERTAINTIES, CERTAINTIES),
        note="counted: a number of days, no estimate",
    ),
    _Field(
        "fu_cause",
        "Person or device",
        lambda entry: entry.cause and _CAUSES[entry.cause],
        _choices(_CAUSES, CAUSES),
        note="not known: no synchronisations are loaded, or they do not tell",
    ),
    _day("fu_last_sync", "Last synchronisation", lambda entry: entry.last_sync_date),
    _Field(
        "fu_battery_percent", "Last known battery charge (%)", lambda entry: entry.battery_percent, validation="integer"
    ),
    _day("fu_battery_on", "Battery charge read on", lambda entry: entry.battery_read_date),
    _day("fu_last_record", "Last day with a record", lambda entry: entry.last_record_date),
    _day("fu_last_valid", "Last valid day", lambda entry: entry.last_valid_date),
    _day("fu_last_worn", "Last day worn", lambda entry: entry.last_worn_date),
    _Field("fu_usual_steps", "Usual steps a day", lambda entry: _whole(entry.usual_steps), validation="integer"),
    _Field("fu_recent_steps", "Recent steps a day", lambda entry: _whole(entry.recent_steps), validation="integer"),
    _Field(
        "fu_is_new",
        "New since the report before",
        lambda entry: int(entry.is_new),
        {1: "yes", 0: "no"},
    ),
)


def records(
    entries: Sequence[Entry], others: Iterable[str], as_of_date: date | None, *, record_id: str, event: str | None
) -> str:
    """Return the list as REDCap imports it.

    Arguments:
        entries: whom to call.
        others: the ids of the participants whose records have to say that they are not on the list.
        as_of_date: the day of the list.
        record_id: the name of the project's first field.
        event: the unique name of the event; None for a project that is not longitudinal.

    """
    key = [record_id, *(["redcap_event_name"] if event else [])]
    written = io.StringIO()
    writer = csv.DictWriter(written, [*key, *(field.name for field in _FIELDS)], restval="", lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        values = {field.name: field.value(entry) for field in _FIELDS}
        writer.writerow(dict(zip(key, (entry.user_id, event), strict=False)) | values)
    for user_id in others:
        values = {_AS_OF.name: as_of_date, _REASON.name: _NOT_LISTED}
        writer.writerow(dict(zip(key, (user_id, event), strict=False)) | values)
    return written.getvalue()


def dictionary() -> str:
    """Return the rows of a data dictionary that define the instrument."""
    written = io.StringIO()
    writer = csv.DictWriter(written, DICTIONARY_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for field in _FIELDS:
        choices = " | ".join(f"{code}, {label}" for code, label in (field.choices or {}).items())
        writer.writerow(
            {
                "Variable / Field Name": field.name,
                "Form Name": INSTRUMENT,
                "Field Type": "radio" if field.choices else "text",
                "Field Label": field.label,
                "Choices, Calculations, OR Slider Labels": choices,
                "Field Note": field.note,
                "Text Validation Type OR Show Slider Number": field.validation,
                "Field Annotation": "@READONLY",
            }
        )
    return written.getvalue()


def _whole(steps: float | None) -> int | None:
    return None if steps is None else round(steps)
