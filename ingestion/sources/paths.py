"""What a path states beside the participant: the order of dates, the decimal mark, and whose folder it is in."""

import re
from typing import get_args

from ingestion.sources.model import KEY, DateOrder, DecimalMark

_FOLDER_OF_PARTICIPANT = re.compile(rf"(?i)^(?:.*?[/ ._-])?{KEY}=[^/]*/")
_DECIMAL_MARKS: dict[str, DecimalMark] = {"point": ".", "comma": ","}
_STATEMENTS = {
    name: re.compile(rf"(?i)(?:^|[/ ._-]){name}=([a-z]+)(?=[/ ._-]|$)") for name in ("date_order", "decimal_mark")
}


def folder_of_participant(path: str) -> str:
    """Return the folder of a path that names a participant, or else the folder of the file; it ends with a slash."""
    found = _FOLDER_OF_PARTICIPANT.search(path) if "=" in path else None
    return found[0] if found else path[: path.rfind("/") + 1]


def date_order_in(path: str) -> DateOrder | None:
    """Return the order that a path states as `date_order=DMY` in a folder or in the file name, or None."""
    stated = _stated(path, "date_order").upper()
    return next((order for order in get_args(DateOrder) if order == stated), None)


def decimal_mark_in(path: str) -> DecimalMark | None:
    """Return the mark that a path states as `decimal_mark=comma` in a folder or in the file name, or None."""
    return _DECIMAL_MARKS.get(_stated(path, "decimal_mark"))


def _stated(path: str, name: str) -> str:
    """Return what a path states about a name: the last of several, in lower case; or ""."""
    found = _STATEMENTS[name].findall(path) if "=" in path else []
    return str(found[-1]).lower() if found else ""
