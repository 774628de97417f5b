"""Text that changes nothing but what is read: no escape sequence for the terminal, no line of its own."""

import re

# what JSON allows and terminals act upon: control characters, and those that change the order of what is shown
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def printable(text: str, *, keep: str = "") -> str:
    r"""Return a text with each character that is not printable as an escape, such as `\x1b` or `\n`.

    Arguments:
        text: any text.
        keep: characters that stay.

    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in keep else character.encode("unicode_escape").decode()
        for character in text
    )


def printable_json(document: str) -> str:
    """Return a JSON document that means the same and contains no character that a terminal acts upon.

    Arguments:
        document: the document, with its own line ends.

    """
    return _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", document)
