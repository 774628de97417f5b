"""What each table and column of a release is: from the models of dbt, with their descriptions, units and cut-offs."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from ingestion.release import units

# how a release without user ids treats a column; a model says it in `config: {meta: {in_release: ...}}` of the column
Handling = Literal["kept", "pseudonym", "device", "masked", "left_out"]
PARTICIPANT = "user_id"
# what is done with these columns if the model says nothing; owners name their devices, also after themselves
_HANDLING: dict[str, Handling] = {PARTICIPANT: "pseudonym", "device": "device"}
# the table with a row for each participant
PARTICIPANTS = "dim_participant"

_PSEUDONYM = "The pseudonym of the participant, the same in all tables and in the reports."
_ONE_OF = re.compile(r"(\w+)\s+in\s*\(([^()]*)\)", re.IGNORECASE)
_BETWEEN = re.compile(r"(\w+)\s+between\s+(-?\d+(?:\.\d+)?)\s+and\s+(-?\d+(?:\.\d+)?)", re.IGNORECASE)
_AT_LEAST = re.compile(r"(\w+)\s*>=\s*(-?\d+(?:\.\d+)?)", re.IGNORECASE)
# a var is named in quotes, also where an expression chooses among several
_NAMED = re.compile(r"""['"](\w+)['"]""")
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
# this macro of dbt/ lists all cut-offs, for every model that notes what it was built with
_BOOKKEEPING = "settings"
# no cut-offs: what dbt needs to run
_NOT_CUT_OFFS = {"raw_schema", "schema_prefix", "work_mem"}


@dataclass(frozen=True)
class Column:
    """A column.

    Arguments:
        name: its name.
        type: its PostgreSQL type.
        description: what it contains.
        unit: the unit of its numbers; None where it has none.
        values: the only values that it may have; empty where any may be.
        minimum: the smallest number that it may have.
        maximum: the greatest number that it may have.
        is_required: whether it is never empty.
        cut_offs: the names of the cut-offs that its description names.
        handling: what a release without user ids does with it.

    """

    name: str
    type: str
    description: str
    unit: str | None = None
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    is_required: bool = False
    cut_offs: tuple[str, ...] = ()
    handling: Handling = "kept"


@dataclass(frozen=True)
class Table:
    """A table.

    Arguments:
        schema: its schema.
        name: its name.
        description: what it contains, and its grain.
        columns: the columns, in their order.
        key: the columns that identify a row; empty where the model states none.
        cut_offs: the names of the cut-offs that decide its values, also through the models that it is made from.

    """

    schema: str
    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    cut_offs: tuple[str, ...]

    @property
    def has_participants(self) -> bool:
        """Whether each row is about a participant."""
        return any(column.name == PARTICIPANT for column in self.columns)

    @property
    def order(self) -> tuple[str, ...]:
        """The columns that the rows are sorted by, the participant first: the key, or else all."""
        names = self.key or tuple(column.name for column in self.columns)
        return tuple(sorted(names, key=lambda name: name != PARTICIPANT))

    def shown(self, *, with_user_ids: bool) -> "Table":
        """Return the table as a release has it.

        Arguments:
            with_user_ids: keep the columns that may tell who a participant is.

        """
        if with_user_ids:
            columns = tuple(replace(column, handling="kept") for column in self.columns)
        else:
            columns = tuple(_hidden(column) for column in self.columns if column.handling != "left_out")
        has_key = set(self.key) <= {column.name for column in columns}
        return Table(self.schema, self.name, self.description, columns, self.key if has_key else (), self.cut_offs)


class Dictionary:
    """The models of a dbt project.

    Arguments:
        manifest: dbt's manifest of the parsed project.
        cut_offs: the names of dbt's vars.

    """

    def __init__(self, manifest: Any, cut_offs: Iterable[str]) -> None:
        self._manifest = manifest
        self._cut_offs = frozenset(cut_offs) - _NOT_CUT_OFFS

    def tables(self, relations: Iterable[str], schemas: Iterable[str]) -> list[Table]:
        """Return the tables in order of their names, those of the first schema first.

        Arguments:
            relations: `schema.name` of what was built.
            schemas: the schemas of the tables that are wanted.

        """
        wanted = list(schemas)
        built = set(relations)
        nodes = sorted(
            (
                node
                for node in self._models.values()
                if f"{node.schema}.{node.alias}" in built and node.schema in wanted
            ),
            key=lambda node: (wanted.index(node.schema), node.alias),
        )
        return [self._table(node) for node in nodes]

    def _table(self, node: Any) -> Table:
        tests = self._tests.get(node.unique_id, [])
        expressions = [each.expression for each in node.constraints if each.expression]
        values: dict[str, tuple[str, ...]] = {}
        limits: dict[str, tuple[float | None, float | None]] = {}
        for expression in expressions:
            values |= {name: tuple(_unquoted(inner)) for name, inner in _ONE_OF.findall(expression)}
            if found := _AT_LEAST.fullmatch(expression.strip()):
                limits[found[1]] = (float(found[2]), None)
            if found := _BETWEEN.fullmatch(expression.strip()):
                limits[found[1]] = (float(found[2]), float(found[3]))
        for column, name, arguments in tests:
            if name == "accepted_values" and column and node.columns[column].data_type == "text":
                values[column] = tuple(map(str, arguments["values"]))
        keys = [each.columns for each in node.constraints if each.type == "primary_key"]
        keys += [arguments["columns"] for _, name, arguments in tests if name == "unique_grain"]
        key = tuple(keys[0]) if keys else ()
        used = self._used_by(node.unique_id)

        def column_of(found: Any) -> Column:
            meta = found.config.meta or found.meta or {}
            minimum, maximum = limits.get(found.name, (None, None))
            is_required = found.name in key or any(each.type == "not_null" for each in found.constraints)
            text = _one_line(found.description)
            return Column(
                name=found.name,
                type=found.data_type,
                description=text,
                unit=units.unit_of(found.name, found.data_type, meta.get("unit")),
                values=tuple(map(str, meta.get("values", values.get(found.name, ())))),
                minimum=minimum,
                maximum=maximum,
                is_required=is_required,
                cut_offs=tuple(name for name in sorted(used) if re.search(rf"\b{name}\b", text)),
                handling=meta.get("in_release", _HANDLING.get(found.name, "kept")),
            )

        columns = tuple(column_of(column) for column in node.columns.values())
        return Table(node.schema, node.alias, _one_line(node.description), columns, key, tuple(sorted(used)))

    def _used_by(self, node_id: str) -> frozenset[str]:
        """Return the cut-offs that a model uses: in its own text, in its macros and in the models that it reads."""
        found: set[str] = set()
        seen: set[str] = set()
        waiting = [node_id]
        while waiting:
            each = waiting.pop()
            item = self._models.get(each) or self._own_macros.get(each)
            if item is None or each in seen:
                continue
            seen.add(each)
            found.update(_NAMED.findall(item.raw_code if hasattr(item, "raw_code") else item.macro_sql))
            waiting += [*item.depends_on.macros, *getattr(item.depends_on, "nodes", ())]
        return frozenset(found) & self._cut_offs

    @cached_property
    def _models(self) -> dict[str, Any]:
        return {key: node for key, node in self._manifest.nodes.items() if node.resource_type == "model"}

    @cached_property
    def _own_macros(self) -> dict[str, Any]:
        own = {key: each for key, each in self._manifest.macros.items() if each.package_name == "wearables"}
        return {key: each for key, each in own.items() if each.name != _BOOKKEEPING}

    @cached_property
    def _tests(self) -> dict[str, list[tuple[str | None, str, dict[str, Any]]]]:
        found: dict[str, list[tuple[str | None, str, dict[str, Any]]]] = {}
        for node in self._manifest.nodes.values():
            metadata = getattr(node, "test_metadata", None)
            if metadata and node.attached_node:
                found.setdefault(node.attached_node, []).append((node.column_name, metadata.name, metadata.kwargs))
        return found


def _hidden(column: Column) -> Column:
    return replace(column, description=_PSEUDONYM) if column.handling == "pseudonym" else column


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _unquoted(text: str) -> Iterator[str]:
    for value in _QUOTED.findall(text):
        yield value.replace("''", "'")
