"""The values of the temporary table `incoming`, as SQL expressions: as text, as a check, and as their type."""

from dataclasses import dataclass

from psycopg2.sql import SQL, Composable, Identifier, Literal

from ingestion.load.content import SPECIAL_MOMENTS
from ingestion.load.numbers import INTEGERS, Marks
from ingestion.load.written import NO_VALUE
from ingestion.sources import MOMENTS, Column, DateOrder

# what PostgreSQL accepts and no device writes as a value: 0x1F, 1_000; NaN, inf; today, now
_SPECIAL_VALUES = {
    "bigint": "[_xob]",
    "integer": "[_xob]",
    "double precision": "[nx]",
    "timestamp": "|".join(SPECIAL_MOMENTS),
    "date": "|".join(SPECIAL_MOMENTS),
}
# PostgreSQL reads years of one digit and of three
_SHORT_YEAR: dict[DateOrder, str] = {
    "MDY": r"^\d{1,2}[./-]\d{1,2}[./-](\d|\d{3})(\D|$)",
    "DMY": r"^\d{1,2}[./-]\d{1,2}[./-](\d|\d{3})(\D|$)",
    "YMD": r"^(\d|\d{3})[./-]\d",
}
# ids that a spreadsheet or pandas has read as numbers: 1.503960366E+09, and 1503960366.0
_SCIENTIFIC_ID = r"^\d(\.\d{1,18})?E\+\d{1,2}$"
_DECIMAL_ID = r"^\d+\.0$"
# a label of a few digits may have a point: 1.0 beside 1.1
_LONG_DECIMAL_ID = r"^\d{4,}\.0$"
_LONGEST_ID = 200
# what a spreadsheet writes for a formula that has no value
_ERROR = r"^#(N/A|NAME\?|NULL!|NUM!|REF!|VALUE!|DIV/0!)$"
_ODD_IN_ID = '[[:cntrl:]"]'
_FRACTION = r"^[+-]?\d{1,15}\.\d{1,20}$"
_SCALABLE = r"^-?\d{1,12}(\.\d{1,20})?$"
_LARGEST_SCALED = 10**15
# what stands for a number that is not written like the others of its column; no type accepts it
_NO_NUMBER = "?"


@dataclass(frozen=True)
class Value:
    """The values of one field.

    Arguments:
        position: the place of the field in the file, from 0.
        column: the declared column.
        marks: how its numbers are written.
        date_order: the order of its dates.
        is_exact: whether a number with a fraction is an error, as in a key, and not to be rounded.
        are_ids_decimal: whether all ids of the file are whole numbers with .0 behind them, which they do not have.

    """

    position: int
    column: Column
    marks: Marks
    date_order: DateOrder
    is_exact: bool
    are_ids_decimal: bool = False

    @property
    def is_id(self) -> bool:
        """Whether its values are those of participants."""
        return self.column.name == "user_id" and self.column.type == "text"

    @property
    def name(self) -> Composable:
        """The column of `incoming`."""
        return Identifier(f"c{self.position}")

    @property
    def text(self) -> Composable:
        """The value as text that PostgreSQL reads, null where there is none."""
        plain = self._plain
        if self.is_id:
            return self._id(plain)
        if self.column.type not in INTEGERS or self.column.factor is not None:
            return plain
        if self.is_exact:
            # pandas and spreadsheets write a whole number as 10000.0 once its column has a gap
            return SQL(r"case when {0} like '%.0' then regexp_replace({1}, '^(\d+)\.0$', '\1') else {1} end").format(
                self.name, plain
            )
        return SQL("case when strpos({0}, '.') > 0 and {0} ~ {1} then round(({0})::numeric)::text else {0} end").format(
            plain, Literal(_FRACTION)
        )

    @property
    def is_castable(self) -> Composable:
        """Whether the value has its type."""
        if self.column.factor is None:
            strict: Composable = SQL("")
            if special := _SPECIAL_VALUES.get(self.column.type):
                strict = SQL(" and {} !~* {}").format(self.text, Literal(special))
            if self.column.type in MOMENTS:
                strict += SQL(" and {} !~ {}").format(self.text, Literal(_SHORT_YEAR[self.date_order]))
            if self.is_id:
                strict += SQL(
                    " and {0} !~* {1} and {0} !~ {2} and length({0}) <= {3} and {0} !~ {4}"
                    " and lower({0}) <> all({5}) and {0} !~ {6}"
                ).format(
                    self.text,
                    Literal(_SCIENTIFIC_ID),
                    Literal(_LONG_DECIMAL_ID),
                    Literal(_LONGEST_ID),
                    Literal(_ODD_IN_ID),
                    Literal(sorted(NO_VALUE)),
                    Literal(_ERROR),
                )
            return SQL("({0} is null or (pg_input_is_valid({0}, {1}){2}))").format(
                self.text, Literal(self.column.type), strict
            )
        return SQL("case when {0} is null then true when {0} ~ {1} then abs({2}) <= {3} else false end").format(
            self.text,
            Literal(_SCALABLE),
            self._scaled,
            Literal(INTEGERS.get(self.column.type, _LARGEST_SCALED)),
        )

    @property
    def cast(self) -> Composable:
        """The value in its type and in the unit of the raw table."""
        value = self.text if self.column.factor is None else self._scaled
        return SQL("({})::{}").format(value, SQL(self.column.type))

    def _id(self, plain: Composable) -> Composable:
        """The id as it was before a spreadsheet read it as a number, where that is certain."""
        mantissa, exponent = (SQL("split_part(upper({}), 'E+', {})").format(plain, Literal(part)) for part in (1, 2))
        exact = SQL(
            "case when {0} ~* {1} then"
            " case when greatest(length({2}) - 2, 0) = ({3})::integer then trunc(({0})::numeric)::text else {0} end"
        ).format(plain, Literal(_SCIENTIFIC_ID), mantissa, exponent)
        if self.are_ids_decimal:
            exact += SQL(" when {0} ~ {1} then left({0}, -2)").format(plain, Literal(_DECIMAL_ID))
        return exact + SQL(" else {} end").format(plain)

    @property
    def _plain(self) -> Composable:
        text = SQL("nullif({}, '')").format(self.name)
        if self.marks.is_plain:
            return text
        groups = rf"|\d{{1,3}}([{self.marks.thousands}]\d{{3}})+" if self.marks.thousands else ""
        # translate replaces the decimal mark, and removes the other
        return SQL("case when {0} ~ {1} then translate({0}, {2}, '.') when {0} is not null then {3} end").format(
            text,
            Literal(rf"^[+-]?(\d+{groups})([{self.marks.decimal}]\d+)?$"),
            Literal(self.marks.decimal + self.marks.thousands),
            Literal(_NO_NUMBER),
        )

    @property
    def _scaled(self) -> Composable:
        value = SQL("({})::numeric * {}").format(self.text, Literal(self.column.factor))
        return SQL("round({})").format(value) if self.column.type in INTEGERS else value
