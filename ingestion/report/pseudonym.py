"""Pseudonyms, which stand for user ids in a report.

A pseudonym is the beginning of the SHA-256 hash of a random key and the user id. The key stays in the database (table
ops.report_key). A participant has the same pseudonym in every report, and a list of all user ids is not enough to find
out which pseudonym is whose.
"""

import base64
import re
from collections.abc import Collection, Iterable, Iterator

from ingestion import db
from ingestion.errors import UsageError

# a pseudonym has this many bytes of the hash
PREFIX_BYTES = 5

_RFC = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# Crockford's alphabet: no letter looks like a digit, and few words can be spelled
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ENCODE = str.maketrans(_RFC, _CROCKFORD)
_DECODE = str.maketrans(_CROCKFORD + "OIL", _RFC + "ABB")
# a user id in the name of a file begins and ends where one of these does
_PIECE = re.compile(r"\d+|[^\W\d_]+|\W|_")
_queries = db.queries("report")


def encode(digest: bytes) -> str:
    """Return the pseudonym for a hash, for example `K7QM-2XHT`.

    Arguments:
        digest: the hash of the key and the user id; only its first bytes are used.

    """
    text = base64.b32encode(digest[:PREFIX_BYTES]).decode("ascii").translate(_ENCODE)
    return f"{text[:4]}-{text[4:]}"


def of(connection: db.Connection, user_ids: Collection[str]) -> dict[str, str]:
    """Return the pseudonyms of participants, by user id.

    Arguments:
        connection: of a role that may read `ops.report_key`.
        user_ids: the participants.

    """
    rows = _queries.pseudonyms_of(connection, user_ids=list(user_ids))
    return {row.user_id: encode(bytes(row.pseudonym)) for row in rows}


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


class Mask:
    """Puts `***` in place of user ids in texts, for example the names of files.

    A pseudonym in that place would reveal which user id it stands for. Upper and lower case make no difference, nor do
    zeros in front of a number.

    Arguments:
        user_ids: the known user ids.

    """

    def __init__(self, user_ids: Iterable[str]) -> None:
        self._known = {_comparable(user_id) for user_id in user_ids}
        self._longest = max(map(len, self._known), default=0)

    def __call__(self, text: str) -> str:
        """Return the text without user ids."""
        pieces = _PIECE.findall(text)
        masked, begin = [], 0
        while begin < len(pieces):
            end = self._end_of_id(pieces, begin)
            masked.append("***" if end else pieces[begin])
            begin = end or begin + 1
        return "".join(masked)

    def _end_of_id(self, pieces: list[str], begin: int) -> int | None:
        """Return where the longest user id that begins at a piece ends; None if none does."""
        found = None
        for end, candidate in _candidates(pieces, begin, self._longest):
            if candidate in self._known:
                found = end
        return found


class Suspects:
    """What could be a user id in some texts. Whoever masks these texts need know no other user ids.

    Arguments:
        longest: the number of letters of the longest user id.

    """

    def __init__(self, longest: int) -> None:
        # comparing without upper and lower case turns a letter into three at most
        self._longest = 3 * longest
        self._found: set[str] = set()

    def __call__(self, text: str) -> str:
        """Look for suspects in a text, which is returned as it is."""
        pieces = _PIECE.findall(text)
        for begin in range(len(pieces)):
            self._found.update(candidate for _, candidate in _candidates(pieces, begin, self._longest))
        return text

    def __contains__(self, user_id: str) -> bool:
        """Whether a user id is in one of the texts."""
        return _comparable(user_id) in self._found


def _candidates(pieces: list[str], begin: int, longest: int) -> Iterator[tuple[int, str]]:
    """Return what begins at a piece and could be a user id, each with the piece before which it ends."""
    candidate = ""
    for end in range(begin, len(pieces)):
        candidate = _comparable(candidate + pieces[end])
        if len(candidate) > longest:
            break
        yield end + 1, candidate


def _comparable(text: str) -> str:
    return text.casefold().lstrip("0") or "0"
