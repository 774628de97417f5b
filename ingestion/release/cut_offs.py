"""The cut-offs in force: dbt's vars, with the values that were given in place of the project's own."""

import json
from dataclasses import dataclass
from typing import Any

from ingestion import transform
from ingestion.config import Settings


@dataclass(frozen=True)
class CutOff:
    """A var of dbt.

    Arguments:
        name: its name.
        value: its value as JSON.
        default: the project's own value as JSON; "" where the project has none.

    """

    name: str
    value: str
    default: str

    @property
    def is_changed(self) -> bool:
        """Whether a value was given that is not the project's own."""
        return self.value != self.default


def in_force(settings: Settings) -> list[CutOff]:
    """Return all vars of dbt in the order of the project.

    Arguments:
        settings: the settings, with the values that are given.

    """
    own, given = transform.declared_vars(), transform.vars_of(settings)
    return [
        CutOff(name, _json({**own, **given}[name]), _json(own[name]) if name in own else "")
        for name in {**own, **given}
    ]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
