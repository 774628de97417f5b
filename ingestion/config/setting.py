"""The declaration of a setting. Parsing, redaction, the docs and the deployment files follow from it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from ingestion.config.kinds import TEXT, Kind
from ingestion.errors import ConfigurationError

_T = TypeVar("_T")


@dataclass(frozen=True)
class Setting:
    """One environment variable.

    Arguments:
        name: the variable.
        kind: its type.
        meaning: one sentence for docs/settings.md, in Markdown.
        default: the value if the variable is unset or empty.
        default_text: how the docs name the default, if not by its value.
        is_secret: whether the value must not be shown.
        may_be_a_file: whether the value may come from a file that `NAME_FILE` names; always so for a secret.
        needs: other variables, of which one must be set too.
        on_schedule: whether .github/workflows/scheduled.yml passes it on.
        reader: the part of the pipeline, or the library, that reads it.

    """

    name: str
    kind: Kind = TEXT
    meaning: str = ""
    default: Any = None
    default_text: str = ""
    is_secret: bool = False
    may_be_a_file: bool = False
    needs: tuple[str, ...] = ()
    on_schedule: bool = False
    reader: str = "the pipeline"

    def read(self, environ: Mapping[str, str]) -> Any:
        """Return the value.

        Arguments:
            environ: the environment's variables.

        Raises:
            ConfigurationError: the value is invalid. The message has the variable's name and never its value.

        """
        text = environ.get(self.name)
        if not text:
            return self.default
        try:
            value = self.kind.parse(text)
        except ValueError:
            raise ConfigurationError(
                f"{self.name} is not {self.kind.form}",
                hint=f"Set {self.name} to {self.kind.form}, or unset it for the default.",
            ) from None
        if value is None:
            return self.default
        if self.needs and not any(environ.get(name, "").strip() for name in self.needs):
            *others, last = self.needs
            none = f"none of {', '.join(others)} and {last} is" if others else f"{last} is not"
            raise ConfigurationError(
                f"{self.name} is set but {none}", hint=f"Set {' or '.join(self.needs)} too, or unset {self.name}."
            )
        return value

    def secrets_in(self, value: Any) -> Iterator[str]:
        """Yield the parts of a value that must not be shown.

        Arguments:
            value: what `read` returned.

        """
        if self.is_secret and value:
            yield from self.kind.secrets(value)


def setting(name: str, kind: Kind, meaning: str, *, default: Any = None, **more: Any) -> Any:
    """Declare a setting as a field of a dataclass.

    Arguments:
        name: the variable.
        kind: its type.
        meaning: one sentence for docs/settings.md.
        default: the value if the variable is unset or empty.
        more: the other arguments of `Setting`.

    """
    return field_of(Setting(name, kind, meaning, default, **more))


def field_of(declared: Setting) -> Any:
    """Return the field of a dataclass that holds a setting.

    Arguments:
        declared: the setting.

    """
    return field(default=declared.default, repr=not declared.is_secret, metadata={"setting": declared})


def settings_of(owner: Any) -> dict[str, Setting]:
    """Return the declared settings of a dataclass by the name of their field.

    Arguments:
        owner: the class or one of its instances.

    """
    return {each.name: each.metadata["setting"] for each in fields(owner) if "setting" in each.metadata}


def read_into(owner: type[_T], environ: Mapping[str, str], **others: Any) -> _T:
    """Return an instance of a dataclass with its settings read from the environment.

    Arguments:
        owner: the class.
        environ: the environment's variables.
        others: values of the fields that are not settings.

    Raises:
        ConfigurationError: a value is invalid.

    """
    return owner(**{name: declared.read(environ) for name, declared in settings_of(owner).items()}, **others)


def secrets_in(owner: Any) -> Iterator[str]:
    """Yield all that must not be shown of a dataclass with settings.

    Arguments:
        owner: the instance.

    """
    for name, declared in settings_of(owner).items():
        yield from declared.secrets_in(getattr(owner, name))
