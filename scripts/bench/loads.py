r"""Loading the same rows as one large file and as several; each is compared with \copy of the same bytes."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from scripts.bench import peers
from scripts.bench.clients import Measurement, check_copied, copy, copy_one_by_one, copy_side_by_side
from scripts.bench.inputs import Sizes, by_person, files_in, generate, packed, split, variant, widened, with_bad_row
from scripts.bench.pipeline import Pipeline, check_loaded
from scripts.bench.scenario import Bench, Scenario, Spec, Step, one

_PANDAS_NAME = "clean-to-sql"


def _copied(bench: Bench, rows: int, *paths: Path) -> Measurement:
    with bench.server.database() as database:
        measured = copy(bench.server, database, *paths)
        check_copied(database, rows)
        return measured


def _loaded(
    bench: Bench, folder: Path, files: int, rows: int | None, *options: str, pipeline: Pipeline | None = None
) -> Measurement:
    pipeline = pipeline or Pipeline()
    with bench.migrated(pipeline) as database:
        measured = pipeline.ingest(bench.server, database, folder, *options)
        check_loaded(database, files, rows)
        return measured


def _large_file(sizes: Sizes) -> Path:
    return generate(sizes.rows)


def one_file(bench: Bench, pipeline: Pipeline, prefix: str) -> Sequence[Step]:
    """Return the steps that load one large file, as it is and with bad rows.

    Arguments:
        bench: where.
        pipeline: the version that loads it.
        prefix: of the names of the rows.

    """
    clean, bad, rows = _large_file(bench.sizes), _bad_file(bench.sizes), bench.sizes.rows
    return [
        one(f"{prefix}-clean", lambda: _loaded(bench, clean.parent, 1, rows, pipeline=pipeline)),
        one(f"{prefix}-bad", lambda: _loaded(bench, bad.parent, 1, _good_rows(rows), pipeline=pipeline)),
    ]


def _clean(bench: Bench) -> Sequence[Step]:
    path, rows = _large_file(bench.sizes), bench.sizes.rows
    steps = [
        one("clean-psql", lambda: _copied(bench, rows, path)),
        one("clean", lambda: _loaded(bench, path.parent, 1, rows)),
    ]
    if not bench.with_peers:
        return steps
    part = min(bench.sizes.pandas_rows, rows)

    def peer(name: str, load: Callable[..., Measurement], path: Path, rows: int, *arguments: object) -> Step:
        def measure() -> Measurement:
            with bench.server.database() as database:
                return load(bench.server, database, path, rows, *arguments)

        # their speeds differ so much that once is enough
        return one(name, measure, repetitions=1)

    return [
        *steps,
        peer("clean-polars", peers.polars, path, rows),
        peer("clean-dlt-parquet", peers.dlt, path, rows, "parquet"),
        peer("clean-dlt-csv", peers.dlt, path, rows, "csv"),
        peer("clean-pandas-copy", peers.pandas_copy, path, rows),
        peer(_PANDAS_NAME, peers.pandas_to_sql, generate(part), part, rows / part),
    ]


def bad_files(sizes: Sizes) -> Iterable[Path]:
    """Return the landing zones of one large file, as it is and with bad rows."""
    return [_large_file(sizes).parent, _bad_file(sizes).parent]


def _bad_file(sizes: Sizes) -> Path:
    return variant(_large_file(sizes), "bad", with_bad_row)


def _good_rows(rows: int) -> int:
    return rows - (rows + 99) // 100


def _bad(bench: Bench) -> Sequence[Step]:
    path, rows = _large_file(bench.sizes), bench.sizes.rows
    return [
        one("bad-psql", lambda: _copied(bench, rows, path)),
        one("bad", lambda: _loaded(bench, _bad_file(bench.sizes).parent, 1, _good_rows(rows))),
    ]


def _packed_file(sizes: Sizes) -> Path:
    return packed(_large_file(sizes))


def _gz(bench: Bench) -> Sequence[Step]:
    path, rows = _packed_file(bench.sizes), bench.sizes.rows
    return [
        one("gz-psql", lambda: _copied(bench, rows, path)),
        one("gz", lambda: _loaded(bench, path.parent, 1, rows)),
    ]


def _wide_file(sizes: Sizes) -> Path:
    return variant(generate(sizes.wide_rows), "wide", widened)


def _wide(bench: Bench) -> Sequence[Step]:
    path, rows = _wide_file(bench.sizes), bench.sizes.wide_rows
    return [
        one("wide-psql", lambda: _copied(bench, rows, path)),
        one("wide", lambda: _loaded(bench, path.parent, 1, rows)),
    ]


def _people_folder(sizes: Sizes) -> Path:
    return by_person(sizes.people)


def _people(bench: Bench) -> Sequence[Step]:
    folder = _people_folder(bench.sizes)
    paths = sorted(files_in(folder))
    rows = len(paths) * 1_000
    return [
        one("people-psql", lambda: _copied(bench, rows, *paths)),
        one("people", lambda: _loaded(bench, folder, len(paths), rows)),
    ]


def large_folder(sizes: Sizes) -> Path:
    """Return the landing zone of a few large files."""
    return split(sizes.large_files, sizes.rows // sizes.large_files)


def _many_folder(sizes: Sizes) -> Path:
    return split(sizes.many_files, sizes.many_rows)


def large(bench: Bench, pipeline: Pipeline, prefix: str) -> Sequence[Step]:
    """Return the steps that load a few large files, with one worker and with two.

    Arguments:
        bench: where.
        pipeline: the version that loads them.
        prefix: of the names of the rows.

    """
    folder = large_folder(bench.sizes)
    return _with_one_and_two_workers(bench, pipeline, prefix, folder, len(list(folder.iterdir())))


def _with_one_and_two_workers(
    bench: Bench, pipeline: Pipeline, prefix: str, folder: Path, files: int
) -> Sequence[Step]:
    rows = bench.sizes.rows // files * files
    return [
        one(f"{prefix}-one", lambda: _loaded(bench, folder, files, rows, pipeline=pipeline)),
        one(f"{prefix}-two", lambda: _loaded(bench, folder, files, rows, "--workers", "2", pipeline=pipeline)),
    ]


def _several(name: str, folder_of: Callable[[Sizes], Path]) -> Callable[[Bench], Sequence[Step]]:
    """Return the steps of several files: one worker and two, one psql and two."""

    def steps(bench: Bench) -> Sequence[Step]:
        folder = folder_of(bench.sizes)
        paths = sorted(folder.iterdir())
        files, rows = len(paths), bench.sizes.rows // len(paths) * len(paths)

        def beside() -> Measurement:
            with bench.server.database() as database:
                measured = copy_side_by_side(bench.server, database, *paths)
                check_copied(database, rows)
                return measured

        return [
            one(f"{name}-psql", lambda: _copied(bench, rows, *paths)),
            one(f"{name}-two-psql", beside),
            *_with_one_and_two_workers(bench, Pipeline(), name, folder, files),
        ]

    return steps


def _many(bench: Bench) -> Sequence[Step]:
    steps = _several("many", _many_folder)(bench)
    folder = _many_folder(bench.sizes)
    rows = bench.sizes.many_files * bench.sizes.many_rows

    def loop() -> Measurement:
        with bench.server.database() as database:
            measured = copy_one_by_one(bench.server, database, folder)
            check_copied(database, rows)
            return measured

    def polars() -> Measurement:
        with bench.server.database() as database:
            return peers.polars(bench.server, database, folder, rows)

    def dlt(form: str) -> Callable[[], Measurement]:
        def measure() -> Measurement:
            with bench.server.database() as database:
                return peers.dlt(bench.server, database, folder, rows, form)

        return measure

    if not bench.with_peers:
        return steps
    return [
        *steps,
        one("many-loop", loop, repetitions=1),
        one("many-polars", polars, repetitions=1),
        one("many-dlt-parquet", dlt("parquet"), repetitions=1),
        one("many-dlt-csv", dlt("csv"), repetitions=1),
    ]


def _specs(psql: str, *others: tuple[str, str], files: str = "") -> tuple[Spec, ...]:
    r"""Return the row of \copy and those that are compared with it."""
    first = others[0][0].split("-")[0] + "-psql"
    return tuple(Spec(name, title, speed_of=first, files=files) for name, title in ((first, psql), *others))


def _of_one(make: Callable[[Sizes], Path], *more: Callable[[Sizes], Path]) -> Callable[[Sizes], Iterable[Path]]:
    return lambda sizes: [make_one(sizes).parent for make_one in (make, *more)]


SCENARIOS = (
    Scenario(
        "clean",
        "loading",
        _specs(
            "`\\copy` of one file, {rows:,} rows",
            ("clean", "**ingest** of one file"),
            ("clean-polars", "polars and ADBC"),
            ("clean-dlt-parquet", "dlt, Arrow to Parquet"),
            ("clean-dlt-csv", "dlt, Arrow to CSV"),
            ("clean-pandas-copy", "pandas `to_sql` through COPY"),
            (_PANDAS_NAME, "pandas `to_sql`, {pandas_rows:,} rows scaled up"),
        ),
        _of_one(_large_file, lambda sizes: generate(min(sizes.pandas_rows, sizes.rows))),
        _clean,
        has_peers=True,
    ),
    Scenario(
        "bad",
        "loading",
        _specs("`\\copy` of the file without bad rows", ("bad", "**ingest**, 1 % bad rows")),
        _of_one(_bad_file),
        _bad,
    ),
    Scenario(
        "gz",
        "loading",
        _specs("`gzip -dc` piped into `\\copy`", ("gz", "**ingest** of .gz")),
        _of_one(_packed_file),
        _gz,
    ),
    Scenario(
        "wide",
        "loading",
        _specs("`\\copy` of 115 columns, {wide_rows:,} rows", ("wide", "**ingest**, 100 columns undeclared")),
        _of_one(_wide_file),
        _wide,
    ),
    Scenario(
        "large",
        "loading",
        _specs(
            "`\\copy` of {large_files} files",
            ("large-two-psql", "two psql in parallel, {large_files} files"),
            ("large-one", "**ingest** of {large_files} files, one worker"),
            ("large-two", "**ingest** of {large_files} files, two workers"),
        ),
        lambda sizes: [large_folder(sizes)],
        _several("large", large_folder),
    ),
    Scenario(
        "people",
        "small",
        _specs(
            "`\\copy` of {people:,} files of 1,000 rows in a folder each",
            ("people", "**ingest** of these, participants from the path"),
            files="people",
        ),
        lambda sizes: [_people_folder(sizes)],
        _people,
    ),
    Scenario(
        "many",
        "small",
        _specs(
            "`\\copy` of {many_files:,} files of {many_rows:,} rows",
            ("many-two-psql", "two psql in parallel, {many_files:,} files"),
            ("many-one", "**ingest** of {many_files:,} files, one worker"),
            ("many-two", "**ingest** of {many_files:,} files, two workers"),
            ("many-loop", "a shell loop that starts psql for each file"),
            ("many-polars", "polars and ADBC, file by file"),
            ("many-dlt-parquet", "dlt's filesystem source, Arrow to Parquet"),
            ("many-dlt-csv", "dlt's filesystem source, Arrow to CSV"),
            files="many_files",
        ),
        lambda sizes: [_many_folder(sizes)],
        _many,
        has_peers=True,
    ),
)
