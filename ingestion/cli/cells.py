"""Rejected rows that a spreadsheet can open without running them."""

import re

_NUMBER = rb"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?%?"
_CELL_ENDS = rb'"?[ ]*(?:[,;\t|\r\n]|$)'
# = + - @, and the same characters in full width
_FORMULA = rb"(?:[=+\-@]|\xef\xbc[\x9d\x8b\x8d\xa0])"
_BEGINS_A_FORMULA = re.compile(
    rb'((?:^|[,;\t|\r\n])[ ]*"?[ ]*)(?!' + _NUMBER + _CELL_ENDS + rb")(?=" + _FORMULA + rb")"
)


def without_formulas(row: bytes) -> bytes:
    """Return a row with an apostrophe before each cell that a spreadsheet would run as a formula.

    A cell may begin after any delimiter: the program that opens the row chooses one. Numbers stay as they are.

    Arguments:
        row: the row as it came.

    """
    return _BEGINS_A_FORMULA.sub(rb"\1'", row)
