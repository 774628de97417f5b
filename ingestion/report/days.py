"""The days of all persons, packed small: a block of some persons at a time, so that neither we nor the page hold all.

A block is zlib over five planes of 2-byte numbers, one person's days behind another's: steps, usual steps, their
spread, minutes asleep, flags. The low bytes of a plane come before its high bytes, and the usual and its spread are
differences from day to day: both make the same content half as long. 65535 stands for nothing.
"""

import base64
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

# of a block: what a page unpacks at once
_DAYS_A_BLOCK = 16_000
_NOTHING = 0xFFFF
_SIGN = 0x8000
_MINUTES = 5
_ALERT = 8
_WEAR = 16
_ROW_PLANES = ("steps", "median", "mad", "asleep", "flags")

# up to so many user-days a report holds whole steps; above, it rounds them
_EXACT_DAYS = 1_000_000


@dataclass(frozen=True)
class Person:
    """What the page knows of somebody before it unpacks their days.

    Arguments:
        user_id: who.
        digest: the hash that their pseudonym comes from.
        first_date: of their days.
        days: how many.
        last_valid: the number of the last valid day, from 0; -1 where there is none.
        valid_days: how many are valid.
        alerts: how many are alerts.
        nights: how many have sleep.

    """

    user_id: int
    digest: bytes
    first_date: date
    days: int
    last_valid: int
    valid_days: int
    alerts: int
    nights: int


def precision(user_days: int) -> int:
    """Return to how many steps the figures of days are rounded: 1 unless there are a great many."""
    return 1 if user_days <= _EXACT_DAYS else 20


class Packer:
    """Packs persons' days into blocks.

    Arguments:
        rows: as the query `days` gives them.
        rounding: to how many steps figures are rounded.

    """

    def __init__(self, rows: Iterator[tuple[Any, ...]], rounding: int) -> None:
        self._rows = rows
        self._rounding = rounding
        self.people: list[Person] = []
        # how many persons are in each block
        self.sizes: list[int] = []

    def blocks(self) -> Iterator[str]:
        """Yield each block as base64, and note its persons on the way."""
        planes: list[list[Any]] = [[] for _ in _ROW_PLANES]
        size = days = 0
        for user_id, digest, first_date, count, *packed in self._rows:
            series = [_unpacked(column) for column in packed]
            self.people.append(self._person(user_id, bytes(digest), first_date, count, series))
            for plane, column in zip(planes, self._coded(series), strict=True):
                plane.append(column)
            size, days = size + 1, days + count
            if days >= _DAYS_A_BLOCK:
                yield self._block(planes, size)
                planes, size, days = [[] for _ in _ROW_PLANES], 0, 0
        if size:
            yield self._block(planes, size)

    def _person(self, user_id: int, digest: bytes, first_date: date, count: int, series: list[Any]) -> Person:
        *_, asleep, flags = series
        valid = (flags % _ALERT == 0).nonzero()[0]
        return Person(
            user_id=user_id,
            digest=digest,
            first_date=first_date,
            days=count,
            last_valid=int(valid[-1]) if len(valid) else -1,
            valid_days=len(valid),
            alerts=int((flags & _ALERT != 0).sum()),
            nights=int((asleep != _NOTHING).sum()),
        )

    def _coded(self, series: list[Any]) -> Iterator[Any]:
        steps, median, mad, asleep, flags = series
        yield _rounded(steps, self._rounding)
        yield _differences(_rounded(median, self._rounding))
        yield _differences(_rounded(mad, self._rounding))
        yield _rounded(asleep, 1 if self._rounding == 1 else _MINUTES)
        yield flags

    def _block(self, planes: list[list[Any]], size: int) -> str:
        import numpy as np  # noqa: PLC0415

        self.sizes.append(size)
        content = bytearray()
        for plane in planes:
            joined = np.concatenate(plane).astype("<u2").view("u1")
            content += joined[0::2].tobytes() + joined[1::2].tobytes()
        return base64.b64encode(zlib.compress(bytes(content), 9)).decode("ascii")


def _unpacked(column: Any) -> Any:
    import numpy as np  # noqa: PLC0415  (a tenth of a second, which a run without changes saves)

    return np.frombuffer(bytes(column), ">u2").astype("u2") ^ _SIGN


def _rounded(series: Any, to: int) -> Any:
    import numpy as np  # noqa: PLC0415

    return (
        series if to == 1 else np.where(series == _NOTHING, _NOTHING, (series + np.uint32(to // 2)) // to).astype("u2")
    )


def _differences(series: Any) -> Any:
    import numpy as np  # noqa: PLC0415

    return np.diff(series, prepend=np.uint16(0)).astype("u2")
