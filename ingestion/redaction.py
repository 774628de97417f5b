"""Redaction of text: removes secrets, however they are written, and what PostgreSQL quotes of the data.

The search works on a folded form of the text, in which every way of writing a character is the same: escaped for a URL
(once or several times), for JSON, for HTML or by Python, or broken over lines. Text and secret are folded alike, so
that no list of encodings has to be complete. In base64, the search uses the part that does not depend on the text
before and after the secret, as in `user:password`.
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus

HIDDEN = "***"

# of the texts that are often the same
_SHORT = 64
_LONG = 6
# a line of a private key is a secret by itself
_LINE = 16
# a shorter piece of base64 could match by coincidence
_CORE = 6

_secrets: frozenset[str] = frozenset()
_literals: tuple[str, ...] = ()
_needles: tuple[str, ...] = ()
_short: re.Pattern[str] | None = None

# one way to write a character, or what a terminal inserts when it breaks a line
_ESCAPES = re.compile(
    r"(?P<url>(?:%(?:25)*[0-9A-Fa-f]{2})+)"
    r"|(?P<unicode>(?:\\+u[0-9A-Fa-f]{4})+)"
    r"|(?P<bytes>(?:\\+x[0-9A-Fa-f]{2})+)"
    r"|(?P<html>&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|amp|lt|gt|quot|apos|nbsp);)"
    r"|(?P<nothing>\\+[nrtbf]?|[\s+│|\x00-\x1f\x7f]+)"
    r"|(?P<other>[^\x00-\x7f])"
)
_UNUSUAL = re.compile(r"[%\\&+|\x00-\x08\x0e-\x1f\x7f]|[^\x00-\x7f]")
_BLANK = re.compile(r"[\s\\+│|\x00-\x1f\x7f]")

_NAME = (
    r"(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|account[_-]?key|access[_-]?key(?:[_-]?id)?"
    r"|private[_-]?key|shared[_-]?access[_-]?(?:key|signature)|credentials?|signature)"
)
# unregistered secrets, found by the text before them or by their form: words without which the pattern cannot match,
# the pattern, and what replaces a match
_PATTERNS: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (("://",), re.compile(r"(?<=://)([^\s:/@]*):\S+@"), rf"\1:{HIDDEN}@"),
    # headers, up to the end of the line or the closing quote
    (
        ("authorization", "cookie", "x-"),
        re.compile(
            r"(?i)\b((?:proxy-)?authorization|x-(?:api|auth|goog-api|amz-security)-(?:key|token)|(?:set-)?cookie)"
            r"""(["']?\s*[:=]\s*["']?)[^\r\n"']+"""
        ),
        rf"\1\2{HIDDEN}",
    ),
    (("bearer",), re.compile(r"(?i)\b(bearer)\s+[\w.~+/-]{8,}=*"), rf"\1 {HIDDEN}"),
    (("basic",), re.compile(r"(?i)\b(basic)\s+(?=\S*[0-9=+/])[\w+/-]{8,}=*"), rf"\1 {HIDDEN}"),
    # parameters of a URL that sign it or give access
    (
        ("?", "&", ";"),
        re.compile(
            rf"(?i)([?&;](?:sig|code|key|auth|jwt|awsaccesskeyid|x-(?:amz|goog)-[\w-]+|[\w.-]*{_NAME})=)[^&\s\"'<>]+"
        ),
        rf"\1{HIDDEN}",
    ),
    # settings and connection strings, also in JSON and in Python
    (
        ("=",),
        re.compile(rf"(?i)({_NAME}\s*=\s*)('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s;&,)\"']+)"),
        rf"\1{HIDDEN}",
    ),
    (
        ('"', "'"),
        re.compile(rf"(?i)({_NAME}[\"']\s*:\s*)(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"),
        rf'\1"{HIDDEN}"',
    ),
    (
        ("akia", "asia", "gh", "github_pat_", "xox", "eyj", "hooks.slack", "private key"),
        re.compile(
            r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bxox[abeoprs]-[\w-]{8,}"
            r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*|(?<=hooks\.slack\.com/)[\w/-]{8,}"
            r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
        ),
        HIDDEN,
    ),
)

# PostgreSQL quotes values of the data after these words; in other languages than English, after a colon
_VALUE = re.compile(
    r'(?i)((?:invalid input syntax for [\w ]+|out of range[\w ]*|value[\w ]*):|\bvalue) ?"(?:.*"|[^"]*")'
    r"|(:)\s?[»„«“](?:.*[»“«”]|[^»“«”]*[»“«”])"
)
_FIELDS = (
    *("DETAIL", "DÉTAIL", "DETALLE", "DETTAGLI", "DETALHE", "CONTEXT", "KONTEXT", "CONTEXTE", "CONTEXTO", "CONTESTO"),
    *("STATEMENT", "ANWEISUNG", "INSTRUCTION", "SENTENCIA", "QUERY", "ANFRAGE", "REQUÊTE", "CONSULTA"),
)
_LINES = ("LINE", "ZEILE", "LIGNE", "LÍNEA", "RIGA", "LINHA")
# the server writes LINE in capitals; `line 3: the header lacks ...` is our own message
_FIELD = rf"(?:{'|'.join(_FIELDS)}|(?-i:{'|'.join(_LINES)}) \d+) ?:"
_FIELD_WORDS = tuple(word.lower() for word in (*_FIELDS, *_LINES))
_QUOTES = ('"', "»", "„", "«", "“")
# a value may contain line breaks: everything up to a line that cannot be part of it is hidden
_ROW = re.compile(
    rf"(?ims)^([ \t]*)({_FIELD}).*?"
    rf"(?=^[ \t]*(?:{_FIELD}|HINT:|TIPP:|compiled code at\b|The above exception\b|During handling\b)|\Z)"
)


def redact(text: str) -> str:
    """Return the text without secrets and without values of the data that PostgreSQL quotes.

    Arguments:
        text: a text to show, store or send.

    """
    return _redact_short(text, _secrets) if len(text) <= _SHORT else _redact(text)


def _redact(text: str) -> str:
    text = _without_secrets(text)
    lower = text.lower()
    for words, pattern, left in _PATTERNS:
        if _has_any(words, lower):
            text = pattern.sub(left, text)
    if _has_any(_FIELD_WORDS, lower):
        text = _ROW.sub(rf"\1\2 {HIDDEN}\n", text)
    if _has_any(_QUOTES, lower):
        text = _VALUE.sub(lambda match: f'{match[1] or match[2]} "{HIDDEN}"', text)
    return text


# the lines of a log repeat the step, the run and the dataset
@lru_cache(maxsize=256)
def _redact_short(text: str, _hidden: frozenset[str]) -> str:
    return _redact(text)


def _has_any(words: tuple[str, ...], text: str) -> bool:
    for word in words:  # noqa: SIM110  (`any` takes three times as long, and most texts have none)
        if word in text:
            return True
    return False


def hide(secrets: Iterable[str | None]) -> None:
    """Register secrets for `redact` to remove.

    Arguments:
        secrets: the values; None and blank values are ignored.

    """
    global _secrets, _literals, _needles, _short  # noqa: PLW0603  (one process, one set of secrets)
    given = {secret for secret in secrets if secret and secret.strip()} - _secrets
    if not given:
        return
    lines = {line.strip() for secret in given for line in secret.splitlines() if len(line.strip()) >= _LINE}
    _secrets = _secrets.union(given, lines)
    long = {secret for secret in _secrets if len(_utf8(secret)) >= _LONG}
    # the text around a secret may change how it is folded, but not its literal forms
    _literals = _longest_first(form for secret in long for form in _forms(secret))
    _needles = _longest_first(
        needle
        for secret in long
        # a secret may look escaped itself; then folding the text undoes only the outer escape
        for needle in (_folded(secret), _utf8(secret), *_base64_cores(secret))
        if len(needle) >= _LONG
    )
    # a short secret is hidden as a whole word only: it may be part of many words
    short = _longest_first(form for secret in _secrets - long for form in _forms(secret))
    _short = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, short))})(?!\w)") if short else None


def _longest_first(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(texts), key=len, reverse=True))


def _without_secrets(text: str) -> str:
    for literal in _literals:
        if literal in text:
            text = text.replace(literal, HIDDEN)
    if _needles:
        folded = _folded(text)
        if _has_any(_needles, folded):
            text = _replace_folded(text)
    return _short.sub(HIDDEN, text) if _short else text


def _replace_folded(text: str) -> str:
    """Replace every piece of text that folds to a secret."""
    folded, spans = _folded_with_spans(text)
    found = sorted(
        (spans[place][0], spans[place + len(needle) - 1][1]) for needle in _needles for place in _places(folded, needle)
    )
    parts, end = [], 0
    for start, stop in found:
        if start >= end:
            parts += [text[end:start], HIDDEN]
        end = max(end, stop)
    return "".join([*parts, text[end:]])


def _places(folded: str, needle: str) -> Iterator[int]:
    place = folded.find(needle)
    while place >= 0:
        yield place
        place = folded.find(needle, place + 1)


def _folded(text: str) -> str:
    return _ESCAPES.sub(_decoded, text) if _UNUSUAL.search(text) else "".join(text.split())


def _folded_with_spans(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the folded text and, for each of its characters, the span of the text it comes from."""
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    end = 0
    for match in _ESCAPES.finditer(text):
        characters = _decoded(match)
        parts += [text[end : match.start()], characters]
        spans += ((place, place + 1) for place in range(end, match.start()))
        spans += [match.span()] * len(characters)
        end = match.end()
    spans += ((place, place + 1) for place in range(end, len(text)))
    return "".join([*parts, text[end:]]), spans


def _decoded(match: re.Match[str]) -> str:
    """Return the characters that a match stands for, one for each byte of their UTF-8; none for a blank."""
    text = match[0]
    if match["nothing"]:
        return ""
    if match["html"]:
        characters = html.unescape(text)
    elif match["unicode"]:
        characters = bytes.fromhex("".join(re.findall(r"u(.{4})", text))).decode("utf-16-be", "surrogatepass")
    elif match["other"]:
        characters = text
    else:
        characters = bytes.fromhex("".join(re.findall(r"(?:%(?:25)*|x)([0-9A-Fa-f]{2})", text))).decode(
            errors="surrogateescape"
        )
    return _utf8(characters)


def _utf8(text: str) -> str:
    """Return a text without blanks, with one character for each byte of its UTF-8."""
    return "".join(
        chr(ord(each) - 0xDC00) if "\udc80" <= each <= "\udcff" else each.encode(errors="replace").decode("latin-1")
        for each in text
        if not _BLANK.match(each)
    )


def _base64_cores(secret: str) -> Iterator[str]:
    """Yield the part of a secret's base64 that does not depend on its neighbours, for each of the three alignments."""
    raw = secret.encode(errors="replace")
    for offset in range(3):
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * offset + raw).decode()
            core = _folded(text[(offset * 8 + 5) // 6 : (offset + len(raw)) * 8 // 6])
            if len(core) >= _CORE:
                yield core


def _forms(secret: str) -> Iterator[str]:
    """Yield the literal forms of a secret: plain, in a URL, and in JSON."""
    quoted = quote(secret, safe="", errors="replace")
    yield from (secret, quoted, quote_plus(secret, errors="replace"))
    yield re.sub(r"%..", lambda match: match[0].lower(), quoted)
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
