"""CSV and TSV."""

from ingestion.formats.plain import PlainText


class Delimited(PlainText):
    """Text with a delimiter, which the load finds in the header."""

    suffixes = (".csv", ".tsv")
