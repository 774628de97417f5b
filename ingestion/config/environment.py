"""The environment: variables by their form, and the way back into it for libraries that look nowhere else."""

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from ingestion.errors import ConfigurationError

_T = TypeVar("_T", bound=str)

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


@dataclass(frozen=True)
class Freshness:
    """How long a dataset may be without a new file.

    Arguments:
        hours: for any dataset; 0 for ever.
        by_dataset: for some by name, which are expected even where nothing of them has ever come.

    """

    hours: float = 0.0
    by_dataset: Mapping[str, float] = field(default_factory=dict)

    def hours_of(self, dataset: str) -> float | None:
        """Return the hours that a dataset may take, or None where there is no limit."""
        return self.by_dataset.get(dataset, self.hours) or None


class Reader:
    """The environment's variables, each read in the form that its setting has.

    Arguments:
        environ: the variables.

    Every method raises ConfigurationError, with the variable's name and never its value, where the form is another.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def _refuse(self, name: str, wanted: str) -> ConfigurationError:
        return ConfigurationError(
            f"{name} is not {wanted}", hint=f"Set {name} to {wanted}, or unset it for the default."
        )

    def text(self, name: str) -> str | None:
        """Return a text without the space around it, or None."""
        return self._environ.get(name, "").strip() or None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return texts that stand between commas."""
        return tuple(filter(None, (text.strip() for text in self._environ.get(name, "").split(","))))

    def path(self, name: str) -> Path | None:
        """Return a path that need not be there yet, or None."""
        value = self._environ.get(name)
        return Path(value) if value else None

    def file(self, name: str) -> Path | None:
        """Return a file that is there, or None."""
        path = self.path(name)
        if path and not path.is_file():
            raise self._refuse(name, "a file that can be read")
        return path

    def url(self, name: str, schemes: tuple[str, ...] = ("https", "http")) -> str | None:
        """Return a URL with a host, or None."""
        url = self.text(name)
        if url:
            self._check(name, url, schemes)
        return url

    def urls(self, name: str) -> tuple[str, ...]:
        """Return URLs that stand between spaces: a comma may be part of one."""
        urls = tuple(self._environ.get(name, "").split())
        for url in urls:
            self._check(name, url, ("https", "http"))
        return urls

    def _check(self, name: str, url: str, schemes: tuple[str, ...]) -> None:
        try:
            parts = urlsplit(url)
            is_good = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            is_good = False
        if not is_good:
            raise self._refuse(name, _urls_of(schemes))

    def flag(self, name: str) -> bool:
        """Return whether it is on: 1, true, yes or on."""
        value = self._environ.get(name, "").strip().lower()
        if value not in _TRUE | _FALSE:
            raise self._refuse(name, "1 or 0")
        return value in _TRUE

    def seconds(self, name: str, default: float) -> float:
        """Return seconds, 0 or more."""
        text = self._environ.get(name)
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise self._refuse(name, "a number of seconds of 0 or more")
        return value

    def freshness(self, name: str) -> Freshness:
        """Return hours for all datasets, and for some by name: `36, sleep=72`."""
        wanted = "hours, as 36, or as 36, weight=200, sleep=0"
        hours: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in self._environ.get(name, "").split(","))):
            dataset, _, text = part.rpartition("=")
            if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text.strip()) or dataset.strip() in hours:
                raise self._refuse(name, wanted)
            hours[dataset.strip()] = float(text)
        return Freshness(hours.pop("", 0.0), hours)

    def percent(self, name: str) -> float | None:
        """Return per cent, more than 0 and up to 100, or None."""
        if not self.text(name):
            return None
        try:
            value = float(self._environ[name])
        except ValueError:
            value = math.nan
        if not 0 < value <= 100:  # noqa: PLR2004
            raise self._refuse(name, "a number above 0 and up to 100")
        return value

    def optional_count(self, name: str) -> int | None:
        """Return a whole number of 1 or more, or None."""
        return self.count(name, 1) if self.text(name) else None

    def hours(self, name: str, default: float) -> float:
        """Return hours, 0 or more."""
        try:
            return self.seconds(name, default)
        except ConfigurationError:
            raise self._refuse(name, "a number of hours of 0 or more") from None

    def needs(self, name: str, *others: str) -> None:
        """Refuse a variable that is set where another that it needs is not."""
        missing = [other for other in others if not self.text(other)]
        if self.text(name) and missing:
            raise ConfigurationError(
                f"{name} is set, and {' and '.join(missing)} not", hint=f"Set {missing[0]} too, or unset {name}."
            )

    def count(self, name: str, default: int, *, least: int = 1) -> int:
        """Return a whole number, of `least` or more."""
        text = self._environ.get(name) or str(default)
        if not text.isdecimal() or int(text) < least:
            raise self._refuse(name, f"a whole number of {least} or more")
        return int(text)

    def choice(self, name: str, default: _T, *others: _T) -> _T:
        """Return one of several words, in any case."""
        value = (self._environ.get(name) or default).strip().lower()
        for option in (default, *others):
            if value == option:
                return option
        raise self._refuse(name, " or ".join((default, *others)))


def _urls_of(schemes: tuple[str, ...]) -> str:
    return "a URL of the form " + " or ".join(f"{scheme}://host" for scheme in schemes)


@contextmanager
def exported(variables: Mapping[str, str]) -> Iterator[None]:
    """Put variables into the process's environment, for a library that takes its settings from nowhere else.

    Arguments:
        variables: there until the block ends.

    """
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
