"""How the values of a file are written: a guess from its beginning, the decision from all of it, and what to report."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ingestion.errors import FileRefusedError
from ingestion.load.date_order import WORDS, Clues, Settled, settle
from ingestion.load.dates import Dates, Sight, WrittenDate, sure_date
from ingestion.load.dialect import Dialect
from ingestion.load.header import Header
from ingestion.load.numbers import Marks, described, settle_numbers
from ingestion.load.written import Written
from ingestion.results import Remark
from ingestion.sources import MOMENTS, DateOrder, DecimalMark

_DECIMAL_POINT = re.compile(rb"\d\.(?:\d{1,2}|\d{4,})(?!\d)")
_DATE_ORDER = "If that is wrong, put date_order=MDY, DMY or YMD into the name of the file or of its folder."
_DECIMAL_MARK = (
    "If that is wrong, put decimal_mark=point or decimal_mark=comma into the name of the file or of its folder."
)


@dataclass(frozen=True)
class Reading:
    """Decides how the values of a file are written.

    Arguments:
        header: the file's header.
        clues: what else is known of the file.
        decimal_mark: the mark that its path states, if any.

    """

    header: Header
    clues: Clues
    decimal_mark: DecimalMark | None = None
    _certain: dict[tuple[frozenset[WrittenDate], bool], Settled] = field(default_factory=dict, init=False, repr=False)

    def guess(self, rows: bytes) -> tuple[Dialect, str | None]:
        """Return the dialect that the first rows suggest, and the separator of dates where COPY may read them.

        Arguments:
            rows: the first rows, cut anywhere.

        """
        whole = rows[: rows.rfind(self.header.dialect.newline[-1:]) + 1] or rows
        dates = Dates()
        # another order than the usual one needs all the evidence there is
        sure = sure_date(whole, self._usual_order) or sure_date(whole, "YMD")
        dates.add_all(sure or whole)
        settled = self._try(dates)
        dialect = self._with(settled) if settled else self.header.dialect
        is_fitting = (dialect.date_order == "YMD") == (dates.separator == "-")
        is_readable = (
            settled is not None and is_fitting and not self.clues.is_spreadsheet and self._are_points_decimal(whole)
        )
        return dialect, dates.separator if is_readable or not rows else None

    def confirms(self, sight: Sight, order: DateOrder) -> bool:
        """Whether the dates of a file that COPY has read in an order confirm the order.

        Arguments:
            sight: the dates that have passed.
            order: the order.

        """
        settled = self._try(sight.dates)
        return settled is not None and settled.order == order

    def decide(self, sight: Sight, columns: Iterable[Written]) -> tuple[Dialect, list[Remark]]:
        """Return the dialect of a file whose rows have all been read, and what was assumed.

        Arguments:
            sight: the dates of the rows that went to COPY as they are.
            columns: how the values of the other rows are written.

        Raises:
            FileRefusedError: the values contradict each other, or do not tell how they are written.

        """
        written = list(columns)
        moments = {each.column.header: each.dates | sight.dates for each in written if each.column.type in MOMENTS}
        settled = settle(moments, self.clues)
        marks = settle_numbers(
            {each.column.name: each.numbers for each in written if each.has_numbers},
            self.header.columns,
            delimiter=self.header.dialect.delimiter,
            declared=self.decimal_mark,
        )
        dialect = replace(self._with(settled), marks=marks)
        return dialect, [*date_remarks(dialect), *self._number_remarks(marks), *_other_remarks(written, marks)]

    def sight(self, order: DateOrder) -> Sight:
        """Return what gathers the dates of lines that are read in an order.

        Arguments:
            order: the order.

        """
        return Sight(order, stops=order in {self._usual_order, "YMD"})

    @property
    def has_decimal_points(self) -> bool:
        """Whether nothing declares that numbers have another mark."""
        return self.decimal_mark != ","

    @property
    def _usual_order(self) -> DateOrder:
        return self.clues.declared or self.clues.usual

    def _try(self, dates: Dates) -> Settled | None:
        key = frozenset(dates.lines), dates.has_other_times
        if key in self._certain:
            return self._certain[key]
        try:
            settled = settle(dict.fromkeys(self.header.headers_of_moments, dates), self.clues)
        except FileRefusedError:
            return None
        if settled.is_certain:
            # nothing but these dates counts. Where they leave a doubt, other files may be loaded meanwhile
            self._certain[key] = settled
        return settled

    def _with(self, settled: Settled) -> Dialect:
        return replace(
            self.header.dialect,
            date_order=settled.order,
            date_evidence=settled.reason,
            is_date_order_certain=settled.is_certain,
            is_date_order_usual=settled.is_usual,
        )

    def _are_points_decimal(self, rows: bytes) -> bool:
        """Whether a point in a number is a decimal mark. In a file without commas between fields, it may not be."""
        if not self.has_decimal_points:
            return False
        has_fractions = any(column.type == "double precision" for column in self.header.columns)
        return self.header.dialect.delimiter == "," or not has_fractions or _DECIMAL_POINT.search(rows) is not None

    def _number_remarks(self, marks: dict[str, Marks]) -> Iterator[Remark]:
        headers = {column.name: column.header for column in self.header.columns}
        for name, each in marks.items():
            yield Remark(
                f"numbers in {headers[name]} have {described(each)}",
                "its path declares it" if self.decimal_mark else "no other reading explains all numbers of the file",
                _DECIMAL_MARK,
            )


def date_remarks(dialect: Dialect) -> Iterator[Remark]:
    """Yield what was assumed of the dates, unless they are written as the device writes them.

    Arguments:
        dialect: how the file is written.

    """
    if not dialect.is_date_order_usual:
        order = dialect.date_order
        yield Remark(f"dates are {WORDS[order]} ({order})", dialect.date_evidence, _DATE_ORDER)


def _other_remarks(columns: list[Written], marks: dict[str, Marks]) -> Iterator[Remark]:
    for each in columns:
        for text in each.remarks(marks.get(each.column.name, Marks()).decimal):
            yield Remark(text)
