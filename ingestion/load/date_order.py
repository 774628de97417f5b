"""Decide the order of day, month and year in a file by evidence.

4/5/2026 does not say whether it is in April or in May. One order must explain every date of the file. Where several do,
the file's name, runs of days, the device's own way to write and files loaded before can tell them apart. Where they
do not, the file is refused: a wrong day is worse.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from ingestion.errors import FileRefusedError
from ingestion.load.dates import ORDERS, Dates, WrittenDate, days_in_a_row, orders_of
from ingestion.sources import DateOrder

# how messages name the orders
WORDS: dict[DateOrder, str] = {"MDY": "month first", "DMY": "day first", "YMD": "year first"}

_DECLARE = "Put date_order={} into the name of the file or of its folder, or into the declaration of {}."
# two clocks may be a day apart
_CLOCKS = timedelta(days=1)
_NEAR = timedelta(days=31)
_DECADES = timedelta(days=20 * 366)
# fewer days may be in a row by accident: visits on the fifth of each month are 5/1, 5/2, 5/3
_RUN_DAYS = 3
_IN_A_ROW = 0.5
_NEARLY_ALL = 0.8
_FEW = 0.2
_MONTHS = 12
# a day, or a day with a time behind it; not part of a longer number
_IN_NAME = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?=\D|\d{4}(?:\d\d)?(?!\d)|$)"
)


@dataclass(frozen=True)
class Clues:
    """What is known of a file beside its dates.

    Arguments:
        dataset: the name of its dataset.
        usual: the order in which its device writes.
        declared: the order that its declaration or its path states, if any.
        name: its name in the landing zone.
        written_at: when it was written, if that is known.
        is_spreadsheet: whether its cells have types, so that a spreadsheet may have read dates in another order.
        earlier: returns the orders of files of the same dataset and folder that left no doubt.

    """

    dataset: str
    usual: DateOrder
    declared: DateOrder | None = None
    name: str = ""
    written_at: datetime | None = None
    is_spreadsheet: bool = False
    earlier: Callable[[], frozenset[DateOrder]] = field(default=frozenset)


class Settled(NamedTuple):
    """The order of a file's dates.

    Arguments:
        order: the order.
        reason: the evidence.
        is_certain: whether no other order is possible, so that it is evidence for later files.
        is_usual: whether this is how the device writes, so that nobody needs to be told.

    """

    order: DateOrder
    reason: str
    is_certain: bool
    is_usual: bool


def settle(columns: dict[str, Dates], clues: Clues) -> Settled:
    """Decide the order of a file's dates.

    Arguments:
        columns: the dates, by the header of their column.
        clues: what else is known of the file.

    Raises:
        FileRefusedError: no order explains all dates, or several do, or the declared order does not; or a column has
            dates of two kinds, of which a spreadsheet may have swapped one.

    """
    dates = Dates()
    for header, found in columns.items():
        _refuse_two_kinds(header, found)
        dates = dates | found
    unsettled = dates.open()
    _refuse_swapped(dates, clues)
    if not unsettled:
        order: DateOrder = "YMD" if dates.lines else clues.declared or clues.usual
        return Settled(order, "no date needs another", is_certain=False, is_usual=True)
    possible = orders_of(unsettled)
    if not possible:
        explained = {order: sum(each.read(order) is not None for each in unsettled) for order in ORDERS}
        raise _contradictory(dates, unsettled, max(ORDERS, key=lambda order: explained[order]))
    if clues.declared:
        return _as_declared(clues.declared, dates, unsettled, clues)
    return _by_evidence(dates, unsettled, possible, clues)


def _by_evidence(dates: Dates, unsettled: list[WrittenDate], possible: list[DateOrder], clues: Clues) -> Settled:
    days = {order: _days(unsettled, order) for order in possible}
    if len(possible) == 1:
        if _is_doubtful(unsettled, possible[0], clues):
            raise _contradictory(dates, unsettled, clues.usual)
        if possible[0] != clues.usual and _is_future(days[possible[0]], clues):
            raise FileRefusedError(
                f"its dates are {WORDS[possible[0]]}, and some are after the day that the file was written",
                hint=_DECLARE.format(possible[0], clues.dataset),
                line=_line(dates, unsettled),
            )
        return _settled(possible[0], _only_reading(unsettled, possible[0]), clues, is_certain=True)
    plausible = [order for order in possible if _is_plausible(days, order, clues)] or possible
    if len(plausible) == 1:
        reason = "in another order, days would be after the file was written, or decades apart"
        return _settled(plausible[0], reason, clues, is_certain=True)
    if all(each.read(plausible[0]) == each.read(order) for each in unsettled for order in plausible):
        order = clues.usual if clues.usual in plausible else plausible[0]
        return Settled(order, "every order gives the same days", is_certain=False, is_usual=True)
    by_run = _by_run(days, plausible)
    grounds: list[tuple[DateOrder | None, str]] = [
        (_by_name(days, plausible, clues.name), "its name has the same day"),
        (by_run, "its days are in a row"),
        (_by_dots(unsettled, plausible), "dates with dots are day first"),
    ]
    own = _by_device(dates, unsettled, plausible, clues)
    grounds.append((own, "its device writes like this"))
    if not any(order for order, _ in grounds[:-1]):
        grounds.append((_only(sorted(clues.earlier() & set(plausible))), "earlier files of its folder have it"))
    chosen = [(order, reason) for order, reason in grounds if order]
    if len({order for order, _ in chosen}) != 1:
        raise _ambiguous(dates, unsettled, plausible, clues)
    order, reason = chosen[0]
    is_by_run_alone = len(chosen) == 1 and order == by_run
    if is_by_run_alone and order != clues.usual and not _is_sure_run(days[order]):
        raise _ambiguous(dates, unsettled, plausible, clues)
    return _settled(order, reason, clues, is_certain=False, is_own=own == order)


def _settled(order: DateOrder, reason: str, clues: Clues, *, is_certain: bool, is_own: bool = False) -> Settled:
    return Settled(order, reason, is_certain, is_usual=order == clues.usual and (is_certain or is_own))


def _as_declared(order: DateOrder, dates: Dates, unsettled: list[WrittenDate], clues: Clues) -> Settled:
    contradicting = [each for each in unsettled if each.read(order) is None]
    if contradicting:
        raise FileRefusedError(
            f"the date is not {WORDS[order]}, as date_order={order} declares",
            hint="Correct date_order, or export the file again with ISO dates.",
            line=_line(dates, contradicting),
        )
    days = _days(unsettled, order)
    if _is_future(days, clues):
        raise FileRefusedError(
            f"as date_order={order} declares, it has days after the day that it was written",
            hint="Correct date_order, or export the file again with ISO dates.",
        )
    return Settled(order, "declared", is_certain=True, is_usual=order == clues.usual)


def _is_doubtful(unsettled: list[WrittenDate], order: DateOrder, clues: Clues) -> bool:
    """Whether the only order that explains all dates is rather due to a few damaged ones.

    Without those, the device's order has better evidence; or they are few, which two days of three are not.
    """
    others = [each for each in unsettled if each.read(clues.usual)]
    if order == clues.usual or not others:
        return False
    days = {each: _days(others, each) for each in (order, clues.usual)}
    if clues.usual in {_by_name(days, list(days), clues.name), _by_run(days, list(days))}:
        return True
    decisive = len(unsettled) - len(others)
    return decisive < _FEW * len(unsettled) and not _by_run({order: _days(unsettled, order)}, [order])


def _only_reading(unsettled: list[WrittenDate], order: DateOrder) -> str:
    if all(each.separator == "." for each in unsettled):
        return "dates with dots are day first"
    above = "a day above 12" if order != "YMD" else "numbers above 12"
    return f"{above} leaves no other order"


def _days(dates: list[WrittenDate], order: DateOrder) -> set[date]:
    return {day for each in dates if (day := each.read(order))}


def _is_future(days: set[date], clues: Clues) -> bool:
    return clues.written_at is not None and max(days) > clues.written_at.date() + _CLOCKS


def _is_plausible(days: dict[DateOrder, set[date]], order: DateOrder, clues: Clues) -> bool:
    span = max(days[order]) - min(days[order])
    shortest = min(max(each) - min(each) for each in days.values())
    return not _is_future(days[order], clues) and not (span > _DECADES > shortest * 2)


def _only(orders: list[DateOrder]) -> DateOrder | None:
    return orders[0] if len(orders) == 1 else None


def days_in_name(name: str) -> list[date]:
    """Return the days in a file's name, in the order of time.

    Arguments:
        name: the name in the landing zone, with folders.

    """
    found = []
    for year, _, month, day in _IN_NAME.findall(name):
        try:
            found.append(date(int(year), int(month), int(day)))
        except ValueError:
            continue
    return sorted(found)


def _by_name(days: dict[DateOrder, set[date]], orders: list[DateOrder], name: str) -> DateOrder | None:
    """Return the only order in which the days fit the name: from one day in it to another, or on or before one."""
    named = days_in_name(name)
    if not named:
        return None
    if len(named) == 1:
        if same := _only([order for order in orders if named[0] in days[order]]):
            return same
        begin, end = named[0] - _NEAR, named[0]
    else:
        begin, end = named[0] - _CLOCKS, named[-1] + _CLOCKS
    return _only([order for order in orders if begin <= min(days[order]) and max(days[order]) <= end])


def _by_run(days: dict[DateOrder, set[date]], orders: list[DateOrder]) -> DateOrder | None:
    """Return the only order in which most days have a next one."""
    shares = {order: days_in_a_row(days[order]) for order in orders if len(days[order]) >= _RUN_DAYS}
    if not shares:
        return None
    best = max(shares, key=lambda order: shares[order])
    others = [share for order, share in shares.items() if order != best]
    is_clear = shares[best] >= _IN_A_ROW and all(share * 2 <= shares[best] for share in others)
    return best if is_clear else None


def _is_sure_run(days: set[date]) -> bool:
    """Whether a run is enough to take another order than the usual one."""
    return len(days) > _RUN_DAYS and days_in_a_row(days) >= _NEARLY_ALL


def _by_dots(unsettled: list[WrittenDate], orders: list[DateOrder]) -> DateOrder | None:
    return "DMY" if "DMY" in orders and all(each.separator == "." for each in unsettled) else None


def _by_device(dates: Dates, unsettled: list[WrittenDate], orders: list[DateOrder], clues: Clues) -> DateOrder | None:
    """Return the device's order where everything is written as Fitbit does it; no other device uses such dates."""
    is_own = all(each.is_fitbits for each in unsettled) and not dates.has_other_times
    return "MDY" if clues.usual == "MDY" and "MDY" in orders and is_own else None


def _refuse_two_kinds(header: str, dates: Dates) -> None:
    """Refuse a column of both ISO and other dates, unless neither kind can have been swapped by a spreadsheet."""
    iso = [each for each in dates.lines if each.is_iso and each.read("YMD")]
    others = dates.open()
    if not iso or not others:
        return
    is_iso_sound = any(int(each.third) > _MONTHS for each in iso)
    is_other_sound = any(max(int(each.first), int(each.second)) <= _MONTHS for each in others)
    if not (is_iso_sound and is_other_sound and len(orders_of(others)) == 1):
        raise FileRefusedError(
            "some of the dates are ISO dates and some are not; a spreadsheet may have swapped day and month of some",
            hint="Export the file again, and do not open it in a spreadsheet.",
            line=_line(dates, others),
            column=header,
        )


def _refuse_swapped(dates: Dates, clues: Clues) -> None:
    """Refuse dates of a spreadsheet that make sense only with day and month swapped.

    A spreadsheet that is set to day first reads the month-first dates of a CSV file as other days. It saves them as
    ISO dates, or with dots.
    """
    found = [each for each in dates.lines if each.is_iso or each.separator == "."]
    if clues.declared or not found:
        return
    days = {day for each in found if (day := each.read("DMY"))}
    if not days or any(day.day > _MONTHS for day in days):
        return
    swapped = {day.replace(month=day.day, day=day.month) for day in days}
    readings: dict[DateOrder, set[date]] = {"DMY": days, "MDY": swapped}
    is_future = _is_future(days, clues) and not _is_future(swapped, clues)
    evidence = {_by_name(readings, ["DMY", "MDY"], clues.name)}
    if clues.is_spreadsheet or any(each.separator == "." for each in found):
        # other ISO dates come from programs: those of visits on the first of each month are no sign
        evidence.add(_by_run(readings, ["DMY", "MDY"]))
    if is_future or "MDY" in evidence:
        raise FileRefusedError(
            "its dates make sense only with day and month swapped, as a spreadsheet does it",
            hint="Export the file again, and do not open it in a spreadsheet. If the dates are right, "
            + _DECLARE.format("YMD" if found[0].is_iso else "DMY", clues.dataset).replace("Put", "put", 1),
            line=_line(dates, found),
        )


def _contradictory(dates: Dates, unsettled: list[WrittenDate], best: DateOrder) -> FileRefusedError:
    odd = [each for each in unsettled if each.read(best) is None]
    other = next(order for order in ORDERS if odd[0].read(order))
    return FileRefusedError(
        f"the date is {WORDS[other]}, and others of the file are {WORDS[best]}",
        hint="Export the file again with dates of one kind: some of them would load as wrong days.",
        line=_line(dates, odd),
    )


def _ambiguous(dates: Dates, unsettled: list[WrittenDate], orders: list[DateOrder], clues: Clues) -> FileRefusedError:
    words = " or ".join(WORDS[order] for order in orders)
    return FileRefusedError(
        f"its dates may be {words}, and nothing tells which",
        hint=_DECLARE.format(" or date_order=".join(orders), clues.dataset),
        line=_line(dates, unsettled),
    )


def _line(dates: Dates, found: list[WrittenDate]) -> int | None:
    return min((dates.lines[each] for each in found if dates.lines[each]), default=None)
