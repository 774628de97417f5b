"""Pseudonyms, which stand for user ids in a report.

A pseudonym is the beginning of the SHA-256 hash of a random key and the user id. The key stays in the database (table
ops.report_key). A participant has the same pseudonym in every report, and a list of all user ids is not enough to find
out which pseudonym is whose.
"""

import base64
import re
from collections.abc import Collection

from ingestion.errors import UsageError

# a pseudonym has this many bytes of the hash
PREFIX_BYTES = 5

_RFC = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# Crockford's alphabet: no letter looks like a digit, and few words can be spelled
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ENCODE = str.maketrans(_RFC, _CROCKFORD)
_DECODE = str.maketrans(_CROCKFORD + "OIL", _RFC + "ABB")
_NUMBER = re.compile(r"\d+")


def encode(digest: bytes) -> str:
    """Return the pseudonym for a hash, for example `K7QM-2XHT`.

    Arguments:
        digest: the hash of the key and the user id; only its first bytes are used.

    """
    text = base64.b32encode(digest[:PREFIX_BYTES]).decode("ascii").translate(_ENCODE)
    return f"{text[:4]}-{text[4:]}"


def decode(text: str) -> bytes:
    """Return the beginning of the hash that a pseudonym stands for.

    Arguments:
        text: the pseudonym, in upper or lower case, with or without the dash. O, I and L are read as 0, 1 and 1.

    Raises:
        UsageError: the text is not a pseudonym.

    """
    letters = text.strip().upper().replace("-", "").replace(" ", "")
    try:
        digest = base64.b32decode(letters.translate(_DECODE))
    except ValueError:
        digest = b""
    if len(digest) != PREFIX_BYTES:
        raise UsageError(
            "this is not a pseudonym", hint="Use the eight letters and digits from the report, such as K7QM-2XHT."
        )
    return digest


def mask_user_ids(text: str, user_ids: Collection[str]) -> str:
    """Return a text, for example the name of a file, with `***` in place of each user id.

    A pseudonym in that place would reveal which user id it stands for.

    Arguments:
        text: the text.
        user_ids: the known user ids.

    """
    return _NUMBER.sub(lambda match: "***" if match[0].lstrip("0") in user_ids else match[0], text)
