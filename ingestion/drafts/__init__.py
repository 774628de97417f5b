"""Draft the declaration, the table and the staging model of an unknown file: `sources new`.

Only the names of its columns and the types of its first values are used. No value is written anywhere.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import BinaryIO

from ingestion.errors import FileRefusedError, UsageError
from ingestion.formats import Text
from ingestion.load.candidates import first_objects, lines_of, newline_of, readings
from ingestion.load.content import Content
from ingestion.load.stream import HashedStream
from ingestion.sources import normalise

_TABLE = Template(Path(__file__).with_name("table.sql.txt").read_text(encoding="utf-8"))
_MOST_ROWS = 500
_MOST_COLUMNS = 1_500
_IDS = {normalise(name) for name in ("Id", "user_id", "participant_id", "subject_id", "record_id", "study_id", "label")}
_NO_VALUE = {"", "na", "n/a", "null", "none", "nan", "-", "--"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_RESERVED = {"user_id", "_extra", "_file_id", "_loaded_at"}
# from the narrowest on
_PATTERNS = {
    "boolean": re.compile(r"(?i)true|false"),
    "integer": re.compile(r"[+-]?\d{1,9}"),
    "bigint": re.compile(r"[+-]?\d{1,18}"),
    "double precision": re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"),
    "timestamp": re.compile(r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})(?:[T ].*)?"),
}
_DBT_TYPES = {"timestamp": "timestamp without time zone"}


@dataclass(frozen=True)
class DraftColumn:
    """A column of a draft.

    Arguments:
        name: its name in the raw table.
        header: its header in the file.
        type: the type that its first values have.

    """

    name: str
    header: str
    type: str


@dataclass(frozen=True)
class Draft:
    """The draft of a dataset.

    Arguments:
        name: the raw table.
        columns: the columns without the participant's.
        id_header: the header of the participant's column, None where the path names them.
        moment: the column that tells the rows of a participant apart.

    """

    name: str
    columns: tuple[DraftColumn, ...]
    id_header: str | None
    moment: DraftColumn

    def declaration(self) -> str:
        """Return the TOML file."""
        lines = [
            "# A draft: check the key, the types and the limits, and remove what nothing uses. See docs/datasets.md.",
            f'files = ["{self.name}"]',
            f'key = ["user_id", "{self.moment.name}"]',
            "",
            "[columns]",
            f'user_id = {{ header = {_quoted(self.id_header or "Id")}, type = "text", required = true }}',
        ]
        for column in self.columns:
            required = ", required = true" if column == self.moment else ""
            lines.append(f'{column.name} = {{ header = {_quoted(column.header)}, type = "{column.type}"{required} }}')
        return "\n".join(lines) + "\n"

    def table(self) -> str:
        """Return the SQL file with the raw table."""
        columns = [
            'user_id text collate "C" not null',
            *(f"{c.name} {c.type}{' not null' if c == self.moment else ''}" for c in self.columns),
            "_extra jsonb",
            "_file_id bigint not null default ops.loading_file_id()",
            "_loaded_at timestamptz not null default ops.loading_time()",
        ]
        body = ",\n".join(f"    {column}" for column in columns)
        return _TABLE.substitute(name=self.name, columns=body)

    def model(self) -> str:
        """Return the SQL of the staging model."""
        moment = self.moment.name
        fields = "\n".join(f"    '{c.name}': '{c.name}'," for c in self.columns if c != self.moment)
        return f"""{{{{ config(
    materialized='incremental',
    incremental_strategy='replace_changed',
    pre_hook="{{% if is_incremental() %}}{{{{ fill_changed_user(changed_in_dataset('{self.name}')) }}}}{{% endif %}}",
    post_hook="{{{{ consume(ref('int_file_user')) }}}}",
    meta={{
        'distribution': 'user_id',
        'replaces':
            'old.{moment} >= changed_user.from_date and old.{moment} < changed_user.to_date + 1',
    }},
) }}}}
-- depends_on: {{{{ ref('int_file') }}}}, {{{{ ref('int_file_user') }}}}

{{{{ resolve('{self.name}', '{moment}', {{
{fields}
}}, changed_user(changed_in_dataset('{self.name}')), key='{moment}', type='timestamp') }}}}
"""

    def description(self) -> str:
        """Return the YAML of the staging model, and what to add to `_sources.yml`."""
        columns = [
            ("user_id", "text", "\"{{ doc('user_id') }}\"", True),
            *((each.name, _DBT_TYPES.get(each.type, each.type), "TODO", each == self.moment) for each in self.columns),
            ("file_id", "bigint", "\"{{ doc('origin_file_id') }}\"", True),
            ("raw_rows", "bigint", "Raw rows of this participant and moment, in all files.", True),
            ("has_conflict", "boolean", "\"{{ doc('has_conflict') }}\"", True),
        ]
        lines = [
            "# add to _sources.yml, under raw:",
            f"#      - name: {self.name}",
            "#        description: TODO",
            "#        config:",
            "#          freshness: null",
            "#          meta: {distribution: user_id}",
            "models:",
            f"  - name: stg_{self.name}",
            "    description: >",
            '      TODO, without duplicates and overlaps. {{ doc("later_wins") }}',
            "    constraints:",
            "      - type: primary_key",
            f"        columns: [user_id, {self.moment.name}]",
            "    columns:",
        ]
        for name, kind, text, is_required in columns:
            lines += [f"      - name: {name}", f"        data_type: {kind}", f"        description: {text}"]
            lines += ["        constraints:", "          - type: not_null"] if is_required else []
        return "\n".join(lines) + "\n"


def draft(name: str, filename: str, opened: Callable[[], BinaryIO]) -> Draft:
    """Return the draft of a dataset that a file has.

    Arguments:
        name: the raw table.
        filename: the file's name; its suffixes tell its format.
        opened: opens the file at its beginning.

    Raises:
        UsageError: the name is not one of a table.
        FileRefusedError: the file has no header, or no column with times.

    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise UsageError(f"{name!r} is not a name of a table", hint="Use lower-case letters, digits and _.")
    with closing(HashedStream(opened())) as stream, closing(Text(filename, stream)) as text:
        names, rows = _sample(Content(text).peek(), is_json=text.format == "ndjson")
    id_header = next((header for header in names if normalise(header) in _IDS), None)
    taken = set(_RESERVED)
    columns = []
    for place, header in enumerate(names):
        if header != id_header:
            column = _named(header, taken)
            taken.add(column)
            columns.append(DraftColumn(column, header, _type_of([row[place] for row in rows if place < len(row)])))
    moment = next((column for column in columns if column.type == "timestamp"), None)
    if moment is None:
        raise FileRefusedError(
            "no column has dates or times", hint="Each row needs one. Write ISO dates, or split the columns otherwise."
        )
    return Draft(name, tuple(columns), id_header, moment)


def write(drafted: Draft, paths: Sequence[Path]) -> None:
    """Write a draft into new files.

    Arguments:
        drafted: the draft.
        paths: the files for the declaration, the table, the staging model and its description.

    Raises:
        UsageError: one of them exists, or cannot be written.

    """
    texts = drafted.declaration(), drafted.table(), drafted.model(), drafted.description()
    if existing := [path for path in paths if path.exists()]:
        raise UsageError(f"{existing[0]} exists", hint="Give the dataset another name, or write it elsewhere: --into.")
    for path, text in zip(paths, texts, strict=True):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as exc:
            raise UsageError(f"{path} cannot be written ({exc.strerror})", hint="Name a folder with --into.") from exc


def _sample(beginning: bytes, *, is_json: bool) -> tuple[list[str], list[list[str]]]:
    """Return the names of the columns, and the first rows."""
    if is_json:
        objects = first_objects(beginning)[:_MOST_ROWS]
        names = list(dict.fromkeys(key for each in objects for key in each))
        rows = [["" if each.get(name) is None else str(each.get(name)) for name in names] for each in objects]
    else:
        headers = [each for each in readings(beginning) if _is_header(each[2])]
        if not headers:
            raise FileRefusedError(
                "none of the first lines is a header", hint="Write the names of the columns into the first line."
            )
        line, delimiter, header = max(headers, key=lambda each: (len(each[2]), -each[0]))
        names = [name.strip() for name in header]
        newline = newline_of(beginning)[-1:]
        lines = [text for text, _ in lines_of(beginning, newline)][line:]
        if not beginning.endswith(newline):
            # it may be cut
            lines = lines[:-1]
        texts = [text.decode(errors="replace") for text in lines[:_MOST_ROWS]]
        rows = [row for row in csv.reader(texts, delimiter=delimiter) if row]
    if not names or len(names) > _MOST_COLUMNS:
        raise FileRefusedError("it has no columns, or too many", hint=f"Up to {_MOST_COLUMNS:,} can be declared.")
    return names, rows


def _is_header(names: Iterable[str]) -> bool:
    """Whether these are names and no values: a value must not become a name."""
    stripped = [name.strip() for name in names]
    return all(name[:1].isalpha() for name in stripped) and len(set(map(normalise, stripped))) == len(stripped)


def _type_of(values: list[str]) -> str:
    filled = [value.strip() for value in values if value.strip().lower() not in _NO_VALUE]
    fitting = (kind for kind, pattern in _PATTERNS.items() if all(map(pattern.fullmatch, filled)))
    return next(fitting, "text") if filled else "text"


def _named(header: str, taken: set[str]) -> str:
    words = "_".join(_WORD.findall(header)).lower()[:50]
    name = words if words[:1].isalpha() else f"column_{words}".rstrip("_")
    return next(each for each in _numbered(name) if each not in taken)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


def _quoted(text: str) -> str:
    escaped = "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or c in '"\\' else c for c in text)  # noqa: PLR2004
    return f'"{escaped}"'
