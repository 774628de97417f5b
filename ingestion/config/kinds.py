"""The types of settings: how each parses a variable, and which parts of its value are secret."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}
# a shorter path or query is part of many texts, and no secret
_SECRET_LENGTH = 12
# a longer name is cut by PostgreSQL, and may then be that of another schema
_MOST_NAME_BYTES = 63
# of the pipeline's records, of PostgreSQL, and of dbt
_TAKEN_SCHEMAS = {"ops", "information_schema", "staging", "intermediate", "marts", "dbt_test_failures"}


@dataclass(frozen=True)
class Freshness:
    """How long a dataset may go without a new file.

    Arguments:
        hours: the limit for every dataset; 0 for no limit.
        by_dataset: limits of single datasets by name. A dataset named here is expected even if none of its files has
            arrived yet.

    """

    hours: float = 0.0
    by_dataset: Mapping[str, float] = field(default_factory=dict)

    def hours_of(self, dataset: str) -> float | None:
        """Return the limit of a dataset in hours, or None if it has none."""
        return self.by_dataset.get(dataset, self.hours) or None


def _whole(value: str) -> Iterable[str]:
    return (value,)


@dataclass(frozen=True)
class Kind:
    """The type of a setting.

    Arguments:
        form: describes a valid value. It completes the sentence "Set NAME to ...".
        parse: returns the value of a text, or None if the text counts as unset. Raises ValueError if it is invalid.
        secrets: returns the parts of a value that must not be shown, if the setting is secret.
        is_path: whether the value is a path on this machine.

    """

    form: str
    parse: Callable[[str], Any]
    secrets: Callable[[Any], Iterable[str]] = _whole
    is_path: bool = False


def _number(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError
    return value


def _percent(text: str) -> float | None:
    if not text.strip():
        return None
    value = float(text)
    if not 0 < value <= 100:  # noqa: PLR2004
        raise ValueError
    return value


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError
    return path


def _freshness(text: str) -> Freshness:
    hours: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        dataset, _, number = part.rpartition("=")
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", number.strip()) or dataset.strip() in hours:
            raise ValueError
        hours[dataset.strip()] = float(number)
    return Freshness(hours.pop("", 0.0), hours)


def _secrets_of_url(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.password:
        yield from (parts.password, unquote(parts.password))
    # the message of a library may quote a part of the URL
    yield from (text for text in (url, parts.path, parts.query) if len(text) >= _SECRET_LENGTH)


def _secrets_of_urls(urls: Iterable[str]) -> Iterator[str]:
    for url in urls:
        yield from _secrets_of_url(url)


def check_url(url: str, schemes: tuple[str, ...]) -> str:
    """Return a URL that has a host.

    Arguments:
        url: the text of the setting.
        schemes: the schemes it may have.

    Raises:
        ValueError: the text is not such a URL.

    """
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname or parts.port == 0:
        raise ValueError
    return url


def check_schema(text: str) -> str:
    """Return the name of a schema that raw tables may be in.

    Arguments:
        text: the text of the setting or option.

    Raises:
        ValueError: PostgreSQL would cut or refuse it, dbt would not quote it, or the schema has another purpose.

    """
    is_taken = text.lower() in _TAKEN_SCHEMAS or text.lower().startswith("pg_")
    if (
        is_taken
        or not text.isprintable()
        or set(text) & set('"{}%\\')
        or not 0 < len(text.encode()) <= _MOST_NAME_BYTES
    ):
        raise ValueError
    return text


def url_of(*schemes: str) -> Kind:
    """Return the type of a setting that holds one URL.

    Arguments:
        schemes: the schemes it may have.

    """

    def parse(text: str) -> str | None:
        return check_url(text.strip(), schemes) if text.strip() else None

    form = "a URL of the form " + " or ".join(f"{scheme}://host" for scheme in schemes)
    return Kind(form, parse, _secrets_of_url)


def count(least: int = 1) -> Kind:
    """Return the type of a setting that holds a whole number.

    Arguments:
        least: its lowest value.

    """

    def parse(text: str) -> int | None:
        if not text.strip():
            return None
        if not text.isdecimal() or int(text) < least:
            raise ValueError
        return int(text)

    return Kind(f"a whole number of {least} or more", parse)


def choice(*words: str) -> Kind:
    """Return the type of a setting that holds one of several words, in any case.

    Arguments:
        words: the valid ones.

    """

    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            raise ValueError
        return word

    return Kind(" or ".join(words), parse)


TEXT = Kind("a text", lambda text: text.strip() or None)
# as it stands, spaces included: a password or a directory may begin with one
VERBATIM = Kind("a text", lambda text: text)
TEXTS = Kind("texts with commas between", lambda text: tuple(filter(None, (part.strip() for part in text.split(",")))))
PATH = Kind("a path", Path, is_path=True)
FILE = Kind("a file that can be read", _file, is_path=True)
URL = url_of("https", "http")
# a comma may be part of a URL
URLS = Kind(
    URL.form, lambda text: tuple(check_url(url, ("https", "http")) for url in text.split()), secrets=_secrets_of_urls
)
SCHEMA = Kind("the name of a schema of your own, of up to 63 bytes and without special characters", check_schema)
FLAG = Kind("1 or 0", _flag)
SECONDS = Kind("a number of seconds of 0 or more", _number)
HOURS = Kind("a number of hours of 0 or more", _number)
PERCENT = Kind("a number above 0 and up to 100", _percent)
FRESHNESS = Kind("hours, as 36, or as 36, weight=200, sleep=0", _freshness)
