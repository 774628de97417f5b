"""README.md of a release: what it is, how to check it and how to cite it."""

from pathlib import Path
from string import Template

from ingestion import __version__
from ingestion.release.package import Written
from ingestion.release.snapshot import Build, Facts

_STATIC = Path(__file__).parent / "static"
_FORMATS = {"csv": "as CSV", "parquet": "as Parquet, with types"}


def text(title: str, build: Build, facts: Facts, written: list[Written], *, with_user_ids: bool) -> str:
    """Return the text.

    Arguments:
        title: what the release is, in a few words.
        build: the build of the marts.
        facts: what the release says about its data.
        written: the tables in `data/`.
        with_user_ids: whether participants have their user ids.

    """
    failed = ", ".join(f"`{name}`" for name in build.failed_tests)
    formats = written[0].formats if written else ()
    rows = "".join(f"| `{each.table.name}` | {each.rows:,} | {_cell(each.table.description)} |\n" for each in written)
    order = "Rows are sorted by their key."
    if not with_user_ids:
        order = "Rows are sorted by their key, and participants by pseudonym: their order says nothing about user ids."
    identity = _STATIC / ("user_ids.md" if with_user_ids else "pseudonyms.md")
    return Template((_STATIC / "README.md").read_text(encoding="utf-8")).substitute(
        title=title,
        pipeline=__version__,
        files_loaded=f"{facts.files_loaded:,}",
        as_of_date=facts.as_of_date or "not known",
        tests=f"\n**Tests failed on these data**: {failed}. The release was forced.\n" if failed else "",
        contents="".join(f"| `data/*.{each}` | the tables below {_FORMATS[each]} |\n" for each in formats),
        tables=rows,
        order=order,
        identity=identity.read_text(encoding="utf-8").strip(),
    )


def _cell(text: str) -> str:
    """Return the first sentence; the codebook has all."""
    sentence, dot, _ = text.partition(". ")
    return (sentence + dot.strip()).replace("|", "&#124;")
