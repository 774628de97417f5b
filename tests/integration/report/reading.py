"""Read the figures of a report without a browser."""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np

NO_VALUE = 65535


def figures(path: Path) -> dict[str, Any]:
    (packed,) = re.findall(r'<script type="text/plain" id="figures">([^<]*)</script>', path.read_text(encoding="utf-8"))
    read: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return read


def days(path: Path) -> list[list[tuple[int | None, ...]]]:
    """Return the days of each participant, as `data.js` unpacks them: steps, median, MAD, minutes asleep, flags."""
    blocks = re.findall(r'<script type="text/plain" class="block">([^<]*)</script>', path.read_text(encoding="utf-8"))
    every_day = [day for block in blocks for day in zip(*unpack(block), strict=True)]
    counts = figures(path)["participants"]["days"]
    assert sum(counts) == len(every_day)
    ends = np.cumsum(counts).tolist()
    return [every_day[end - count : end] for end, count in zip(ends, counts, strict=True)]


def unpack(block: str) -> list[list[int | None]]:
    """Return the five planes of a block."""
    content = np.frombuffer(zlib.decompress(base64.b64decode(block)), "u1").reshape(5, 2, -1).astype(int)
    steps, median, mad, asleep, flags = content[:, 0] + 256 * content[:, 1]
    for series in (median, mad):
        series[:] = np.cumsum((series >> 1) ^ -(series & 1)) % 65536
    planes = [
        [None if value == NO_VALUE else value for value in plane.tolist()] for plane in (steps, median, mad, asleep)
    ]
    return [*planes, flags.tolist()]
