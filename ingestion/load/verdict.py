"""Whether rows that COPY reads as they are mean what they say."""

from ingestion.load.content import Content
from ingestion.load.dates import Sight
from ingestion.load.header import Header
from ingestion.load.reading import Reading
from ingestion.sources import MOMENTS

# a date has two separators
_SEPARATORS = 2


def are_plain(content: Content, header: Header, reading: Reading, sight: Sight, rows: int) -> bool:
    """Whether COPY reads these rows as the file means them.

    COPY accepts words such as `today`, years of three digits, and dates in another order, by mistake.

    Arguments:
        content: the text, read to its end.
        header: its header, with the dialect in which COPY reads it.
        reading: decides how values are written.
        sight: the dates of the text.
        rows: the number of rows that COPY has read, or will read.

    """
    if rows != content.lines or content.has_stray_quotes:
        return False
    if header.layout.table:
        # formats/ has written these values; special words are in the names of devices
        return True
    dates = sum(column.type in MOMENTS for column in header.columns) * rows
    return (
        not content.has_special_words
        and not content.has_offsets
        and not content.has_short_years
        and content.separators == _SEPARATORS * dates
        and reading.confirms(sight, header.dialect.date_order)
    )
