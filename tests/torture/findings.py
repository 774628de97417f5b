"""What a trial may find."""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["lost", "doubled", "mixed", "silent", "other"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Arguments:
        kind: `lost`: rows or bytes are missing. `doubled`: rows are there twice, or should not be there. `mixed`: a
            file's rows are not those of one of its contents. `silent`: a record or an exit code hides what happened.
            `other`: a bug's exit code, a signal that is obeyed late, something left behind.
        text: one line about it.

    """

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"
