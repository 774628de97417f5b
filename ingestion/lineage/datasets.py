"""Name and describe datasets for OpenLineage. A table has the same name for ingest and for dbt."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    data_quality_assertions_dataset,
    data_quality_metrics_input_dataset,
    dataset_type_dataset,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)
from openlineage.client.naming.dataset import LocalFileSystem, Postgres

from ingestion.config import Settings
from ingestion.results import FileResult, NodeResult
from ingestion.sources import dataset_named, path_without_person

# with more files, events name the folders; with more folders, the landing zone: people read a catalogue
_MOST_INPUTS = 100


class Datasets:
    """The files and the tables of a run.

    Arguments:
        settings: the settings of the run.

    """

    def __init__(self, settings: Settings) -> None:
        where = settings.known_database.parameters
        host = (where.get("host") or where.get("hostaddr") or "localhost").split(",")[0]
        self._host = "localhost" if host.startswith("/") else host
        self._port = where.get("port", "5432").split(",")[0]
        self._database = where.get("dbname") or where.get("user", "postgres")
        self._zone = settings.landing_zone
        self._schema = settings.schema

    def files(self, files: Sequence[FileResult]) -> list[InputDataset]:
        """Return the files that ingest read, with the reasons for rejected rows.

        Arguments:
            files: files of one dataset.

        """
        return [self._files(path, group) for path, group in _grouped(files).items()]

    def loaded(self, dataset: str, files: Sequence[FileResult]) -> OutputDataset:
        """Return the table that ingest wrote.

        Arguments:
            dataset: the dataset of the table.
            files: the files loaded into it.

        """
        columns = {column.name: column.type for column in dataset_named(dataset).columns}
        rows = sum(file.counts.loaded for file in files)
        return self._written(f"{self._schema}.{dataset}", columns, "TABLE", rows)

    def read(self, node: NodeResult) -> list[InputDataset]:
        """Return the tables that a model reads."""
        return [InputDataset(*self._table(relation)) for relation in node.reads]

    def built(self, node: NodeResult) -> list[OutputDataset]:
        """Return the table or view that a model built."""
        if node.relation is None:
            return []
        is_view = node.materialized == "view"
        rows = None if is_view else node.rows_affected
        return [self._written(node.relation, node.columns, "VIEW" if is_view else "TABLE", rows)]

    def tested(self, nodes: Sequence[NodeResult]) -> list[InputDataset]:
        """Return the tables that dbt's tests checked, with the results.

        Arguments:
            nodes: the nodes of a build, tests and others.

        """
        assertions = defaultdict(list)
        for node in nodes:
            if node.resource_type == "test" and node.started_at:
                # a test that is not attached to a model is about every table that it reads
                for relation in [node.tested] if node.tested else node.reads:
                    assertions[relation].append(_assertion(node))
        return [
            InputDataset(*self._table(relation), inputFacets={"dataQualityAssertions": _Assertions(found)})
            for relation, found in assertions.items()
        ]

    def _table(self, relation: str) -> tuple[str, str]:
        schema, _, name = relation.partition(".")
        naming = Postgres(self._host, self._port, self._database, schema, name)
        return naming.get_namespace(), naming.get_name()

    def _place(self, path: str) -> tuple[str, str]:
        """Return the namespace and name of a file or folder of the landing zone; `.` is the landing zone itself."""
        scheme, _, rest = self._zone.rpartition("://")
        if scheme in {"", "file"}:
            naming = LocalFileSystem(str(Path(rest).resolve() / path))
            return naming.get_namespace(), naming.get_name()
        bucket, _, prefix = rest.partition("/")
        key = str(PurePosixPath(prefix, path))
        return f"{scheme}://{bucket}", "/" if key == "." else key

    def _files(self, path: str, files: Sequence[FileResult]) -> InputDataset:
        read = sum(file.counts.read for file in files)
        size = sum(file.size or 0 for file in files)
        faults: Counter[tuple[str, str | None]] = Counter()
        for reason, column, rows in (fault for file in files for fault in file.faults):
            faults[reason, column] += rows
        rejected = [
            _Assertion(reason, success=False, column=column, severity="warn", expected="0", actual=str(rows))
            for (reason, column), rows in faults.items()
        ]
        return InputDataset(
            *self._place(path),
            facets={"datasetType": dataset_type_dataset.DatasetTypeDatasetFacet("FILE")},
            inputFacets={
                "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
                    rowCount=read, size=size, fileCount=len(files)
                ),
                # the older facet, which catalogues support
                "dataQualityMetrics": data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet(
                    columnMetrics={}, rowCount=read, bytes=size, fileCount=len(files)
                ),
                **({"dataQualityAssertions": _Assertions(rejected)} if rejected else {}),
            },
        )

    def _written(self, relation: str, columns: Mapping[str, str], kind: str, rows: int | None) -> OutputDataset:
        fields = [schema_dataset.SchemaDatasetFacetFields(name, type_) for name, type_ in columns.items()]
        facets: dict[str, DatasetFacet] = {
            "schema": schema_dataset.SchemaDatasetFacet(fields=fields),
            "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(kind),
        }
        statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows)
        return OutputDataset(
            *self._table(relation),
            facets=facets,
            outputFacets={} if rows is None else {"outputStatistics": statistics},
        )


_Assertions = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet
_Assertion = data_quality_assertions_dataset.Assertion


def _assertion(test: NodeResult) -> data_quality_assertions_dataset.Assertion:
    return _Assertion(
        test.kind or "custom_sql",
        success=test.status == "pass",
        column=test.column,
        severity={"pass": None, "warn": "warn"}.get(test.status, "error"),
        name=test.name,
        actual=None if test.failures is None else str(test.failures),
    )


def _grouped(files: Sequence[FileResult]) -> dict[str, list[FileResult]]:
    """Group files by path; by folder if there are too many paths; all together if there are too many folders."""
    paths = [path_without_person(file.filename) for file in files]
    folders = [str(PurePosixPath(path).parent) for path in paths]
    for names in (paths, folders):
        if len(set(names)) <= _MOST_INPUTS:
            groups = defaultdict(list)
            for name, file in zip(names, files, strict=True):
                groups[name].append(file)
            return groups
    return {".": list(files)}
