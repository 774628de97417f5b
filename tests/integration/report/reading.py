"""Read the figures of a report without a browser."""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any


def figures(path: Path) -> dict[str, Any]:
    (packed,) = re.findall(r'<script type="text/plain" id="figures">([^<]*)</script>', path.read_text(encoding="utf-8"))
    read: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return read
