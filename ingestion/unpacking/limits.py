"""Limits on what an archive or a table may unpack to."""

from dataclasses import dataclass

from ingestion.errors import FileRefusedError


@dataclass(frozen=True)
class Limits:
    """What a file may unpack to, so that a small file cannot fill memory, disk or database.

    Arguments:
        members: the number of files in an archive.
        entries: the number of parts of a spreadsheet.
        ratio: unpacked bytes for each packed byte. Text of numbers reaches 10, and rarely 50.
        free_bytes: the number of unpacked bytes below which the ratio is not checked.
        total_bytes: the number of unpacked bytes.
        table_bytes: the number of bytes of a spreadsheet or a Parquet row group. These are read into memory.

    """

    members: int = 200_000
    entries: int = 1_000
    ratio: int = 200
    free_bytes: int = 16 << 20
    total_bytes: int = 64 << 30
    table_bytes: int = 256 << 20

    def check(self, size: int, packed_size: int) -> None:
        """Refuse a file that unpacks to too much.

        Arguments:
            size: the number of bytes unpacked so far.
            packed_size: the number of packed bytes that they came from.

        Raises:
            FileRefusedError: the size is above a limit.

        """
        self.check_total(size)
        self.check_ratio(size, packed_size)

    def check_members(self, number: int) -> None:
        """Refuse an archive of more than `members` files.

        Arguments:
            number: the number of files in it.

        Raises:
            FileRefusedError: it has more.

        """
        if number > self.members:
            raise FileRefusedError(f"the archive holds more than {self.members} files", hint="Unpack it.")

    def check_total(self, size: int) -> None:
        """Refuse what unpacks to more than `total_bytes`.

        Arguments:
            size: the number of bytes unpacked so far.

        Raises:
            FileRefusedError: it is larger.

        """
        if size > self.total_bytes:
            raise FileRefusedError(
                f"the file unpacks to more than {self.total_bytes >> 30} GiB", hint="Split it into smaller files."
            )

    def check_ratio(self, size: int, packed_size: int) -> None:
        """Refuse what unpacks to more than `ratio` times its size.

        Arguments:
            size: the number of bytes unpacked so far.
            packed_size: the number of packed bytes that they came from.

        Raises:
            FileRefusedError: it is larger.

        """
        if size > self.free_bytes and size > self.ratio * packed_size:
            raise FileRefusedError(
                f"the file unpacks to more than {self.ratio} times its size",
                hint="Unpack it and check what it contains.",
            )


LIMITS = Limits()
