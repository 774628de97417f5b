"""What the process keeps of the files that it has seen."""

from ingestion.load import candidates, header
from ingestion.recognition import glimpse, matching, memory
from ingestion.sources import names

_KEPT = (
    names.layouts_by_name,
    names._with_stem_in,
    names._stems,
    candidates._names_in_line,
    candidates._read_line,
    header._check,
    header._dialect_of_lines,
    header._header_of,
    glimpse._telling,
    matching._everything,
    matching._in_lines,
    matching._any_in_lines,
    matching._known,
    memory._stored,
)


def forget_files() -> None:
    """Forget all of it, so that the next file is the first one."""
    for each in _KEPT:
        each.cache_clear()
