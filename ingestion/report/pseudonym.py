"""What a person is called in a report, and what their number is never shown as.

A pseudonym is the beginning of SHA-256 over a random key and the user id. The key stays in the database
(the table ops.report_key), so a pseudonym is the same in every report, and who has a report and a list of all ids
cannot match the two.
"""

import base64
import re
from collections.abc import Collection

from ingestion.errors import UsageError

DIGITS = 5

_RFC = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# Crockford's: none of its letters is taken for a digit, and few words come about
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ENCODE = str.maketrans(_RFC, _CROCKFORD)
_DECODE = str.maketrans(_CROCKFORD + "OIL", _RFC + "ABB")
_NUMBER = re.compile(r"\d+")


def spell(digest: bytes) -> str:
    """Return the pseudonym for a hash, such as `K7QM-2XHT`.

    Arguments:
        digest: of the key and the user id; its first bytes are used.

    """
    text = base64.b32encode(digest[:DIGITS]).decode("ascii").translate(_ENCODE)
    return f"{text[:4]}-{text[4:]}"


def read(text: str) -> bytes:
    """Return the beginning of the hash that a pseudonym stands for, however it was typed.

    Arguments:
        text: upper or lower case, with its dash or without; O, I and L count as 0, 1 and 1.

    Raises:
        UsageError: it is no pseudonym.

    """
    letters = text.strip().upper().replace("-", "").replace(" ", "")
    try:
        digest = base64.b32decode(letters.translate(_DECODE))
    except ValueError:
        digest = b""
    if len(digest) != DIGITS:
        raise UsageError("that is no pseudonym", hint="It is eight letters and digits, as in a report: K7QM-2XHT.")
    return digest


def without_numbers(text: str, ids: Collection[str]) -> str:
    """Return a text from outside, such as the name of a file, without user ids.

    Arguments:
        text: from outside.
        ids: known user ids. A pseudonym in their place would give both away.

    """
    return _NUMBER.sub(lambda match: "***" if match[0].lstrip("0") in ids else match[0], text)
