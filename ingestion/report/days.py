"""Pack the days of participants into blocks, so that neither the writer nor the page holds all days at once.

A block is zlib over five planes of 2-byte numbers, the days of one participant after those of another: steps, usual
steps (median), spread (MAD of ln steps, in thousandths), minutes asleep, flags. A plane stores its low bytes before its
high bytes. Median and MAD are stored as differences from the day before, with the sign in the lowest bit, which makes
them a third smaller. 65535 means no value. `data.js` reads this format.
"""

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

# a page unpacks one block at a time
_DAYS_PER_BLOCK = 16_000
# as COPY writes it
_NULL = rb"\N"
# int8send() sends signed numbers; the query subtracts 32768 from the first of the four numbers in it
_SIGN_BIT = 0x8000
# steps, median, MAD, minutes asleep
_NUMBERS = 4
_BYTES_PER_NUMBER = 2
_AS_DIFFERENCES = (1, 2)
# level 9 takes six times as long and saves nothing: the numbers have little in them that repeats
_LEVEL = 6
# a report grows by up to 7 MB per million days, and stays under 15 MB: 26 weeks of 10,000 participants
_MAX_DAYS = 1_820_000


@dataclass(frozen=True)
class Participant:
    """What the page knows about a participant before it unpacks their days.

    Arguments:
        user_id: the participant.
        digest: the hash that the pseudonym is taken from.
        first_date: the first of all their days; None where there are none.
        days: the number of all their days.
        packed_days: how many of the latest days are in the block.
        valid_days: the number of valid days.
        alerts: the number of alerts.
        nights: the number of days with sleep.

    """

    user_id: str
    digest: bytes
    first_date: date | None
    days: int
    packed_days: int
    valid_days: int
    alerts: int
    nights: int

    @property
    def first_packed_date(self) -> date | None:
        """The first day in the block; None where there are no days."""
        return self.first_date + timedelta(days=self.days - self.packed_days) if self.first_date else None


def days_per_participant(user_days: int, participants: int) -> int | None:
    """Return how many of the latest days of each participant a report has room for; None if for all.

    Arguments:
        user_days: the number of days of all participants that it shows.
        participants: the number of these participants.

    """
    return None if user_days <= _MAX_DAYS else max(_MAX_DAYS // max(participants, 1), 1)


class Packer:
    """Packs the days of participants into blocks.

    Arguments:
        copy: sends the result of the query `days` to a stream with COPY, which does not hold it all in memory.

    """

    def __init__(self, copy: Callable[["Packer"], None]) -> None:
        self._copy = copy
        self._emit: Callable[[str], object] = _discard
        self._incomplete_line = b""
        self._numbers: list[bytes] = []
        self._flags: list[bytes] = []
        self._days_in_block = 0
        self.participants: list[Participant] = []
        # the number of participants in each block
        self.block_sizes: list[int] = []

    def pack(self, emit: Callable[[str], object]) -> None:
        """Read all days and pass on each block as soon as it is complete.

        Arguments:
            emit: is called with each block, as base64.

        """
        self._emit = emit
        self._copy(self)
        if self._numbers:
            self._end_block()

    def write(self, data: bytes) -> None:
        """Read what COPY sends: one line per participant.

        Arguments:
            data: several lines, or a part of one.

        """
        *lines, self._incomplete_line = (self._incomplete_line + data).split(b"\n")
        for line in lines:
            self._add(line.split(b"\t"))

    def _add(self, columns: list[bytes]) -> None:
        user_id, digest, first_date, days, valid_days, alerts, nights, numbers, flags = columns
        self._numbers.append(decode_hex(numbers))
        self._flags.append(decode_hex(flags))
        packed_days = len(self._flags[-1]) // _BYTES_PER_NUMBER
        self.participants.append(
            Participant(
                user_id=decode_hex(user_id).decode(),
                digest=decode_hex(digest),
                first_date=None if first_date == _NULL else date.fromisoformat(first_date.decode()),
                days=int(days),
                packed_days=packed_days,
                valid_days=int(valid_days),
                alerts=int(alerts),
                nights=int(nights),
            )
        )
        self._days_in_block += packed_days
        if self._days_in_block >= _DAYS_PER_BLOCK:
            self._end_block()

    def _end_block(self) -> None:
        import numpy as np  # noqa: PLC0415  (importing it takes a tenth of a second, which a skipped report saves)

        numbers = np.frombuffer(b"".join(self._numbers), ">u2").astype("<u2").reshape(-1, _NUMBERS)
        planes = [*numbers.T, np.frombuffer(b"".join(self._flags), ">u2").astype("<u2")]
        planes[0] ^= _SIGN_BIT
        for place in _AS_DIFFERENCES:
            change = np.diff(planes[place], prepend=np.uint16(0)).view("<i2")
            planes[place] = ((change << 1) ^ (change >> 15)).view("<u2")
        content = bytearray()
        for plane in planes:
            octets = np.ascontiguousarray(plane).view("u1")
            content += octets[0::2].tobytes() + octets[1::2].tobytes()
        # suits numbers: looks for no short repetitions
        packer = zlib.compressobj(_LEVEL, strategy=zlib.Z_FILTERED)
        self._emit(base64.b64encode(packer.compress(bytes(content)) + packer.flush()).decode("ascii"))
        self.block_sizes.append(len(self._flags))
        self._numbers, self._flags, self._days_in_block = [], [], 0


def status_changes(statuses: bytes) -> str:
    """Return each status of a participant with its first day: "n20514 s20542".

    Arguments:
        statuses: what the query `participants` has of the days.

    """
    import numpy as np  # noqa: PLC0415

    # by day, as the day is in the upper bytes
    ordered = np.sort(np.frombuffer(statuses, ">i4").astype("i4"))
    is_change = np.diff(ordered & 0xFF, prepend=np.int32(0)) != 0
    return " ".join(f"{chr(change & 0xFF)}{change >> 8}" for change in ordered[is_change].tolist())


def _discard(block: str) -> None:
    """Stand in for `emit` until `pack` is called."""


def decode_hex(column: bytes) -> bytes:
    """Return the bytes of a bytea column, which COPY writes as two backslashes, an x and hexadecimal digits.

    Arguments:
        column: as COPY writes it.

    """
    return bytes.fromhex(column[3:].decode("ascii"))
