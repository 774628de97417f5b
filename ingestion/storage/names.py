r"""Names of files, from the bytes that a file system stores to text that a database can store, and back.

A byte that is not UTF-8 becomes `\xff`. Where a name has such a sequence of its own, its backslash becomes `\x5c`. Each
name therefore has one text, and each text stands for one name.
"""

import os
import re
from pathlib import Path

_ESCAPE = re.compile(rb"\\x([89a-f][0-9a-f]|5c)")
_LIKE_AN_ESCAPE = re.compile(rb"\\(?=x(?:[89a-f][0-9a-f]|5c))")


def name_of(path: str | Path) -> str:
    """Return the name of a file, as text.

    Arguments:
        path: its path relative to the landing zone.

    """
    encoded = os.fsencode(path)
    if b"\\" in encoded:
        encoded = _LIKE_AN_ESCAPE.sub(rb"\\x5c", encoded)
    return encoded.decode(errors="backslashreplace")


def path_of(name: str) -> str:
    """Return the path of a file, relative to the landing zone.

    Arguments:
        name: what `name_of` returned.

    """
    encoded = name.encode()
    if b"\\" in encoded:
        encoded = _ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), encoded)
    return os.fsdecode(encoded)
