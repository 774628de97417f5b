"""Run dbt: build the models and run their tests, if anything that they read has changed."""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from psycopg2.extras import execute_values
from sqlalchemy import Engine

from ingestion import __version__, db, log, manifest, row_counts
from ingestion.config import ROOT, Settings, exported
from ingestion.errors import ConfigurationError, PipelineError, TestsFailedError
from ingestion.leftovers import temporary_folder
from ingestion.results import FAILED_NODE_STATUSES, NodeResult, Step

PROJECT_DIRECTORY = ROOT / "dbt"

_INPUTS = {".sql", ".yml", ".yaml", ".csv", ".md"}
_NOT_INPUTS = {"target", "logs", "dbt_packages"}
_BUILT = {"table", "incremental", "view", "materialized_view"}
_PARTIAL_PARSE = "partial_parse.msgpack"
_STATIC_PAGE = "static_index.html"

_LOG_BYTES = 10 << 20
_LOGS_KEPT = 5
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_queries = db.queries("transform")


def build(
    engine: Engine,
    settings: Settings,
    run_id: UUID,
    step: Step,
    *,
    force: bool = False,
    full_refresh: bool = False,
    on_built: Callable[[list[NodeResult]], None] | None = None,
) -> None:
    """Build all models and run their tests.

    Arguments:
        engine: the database, for the records.
        settings: the settings, for dbt's profile.
        run_id: the run, for dbt's query comments and ops.dbt_node_results.
        step: receives the figures.
        force: build even if nothing has changed.
        full_refresh: build incremental models from all rows.
        on_built: called with the recorded result of each model and test; must not raise.

    Raises:
        TestsFailedError: the models were built, but tests failed.
        PipelineError: a model or dbt itself failed.

    """
    with db.transaction(engine, role=settings.loader_role) as connection:
        models = _fingerprint_of_models()
        content = manifest.content_fingerprint(connection, settings.schema)
        step.input_fingerprint = _digest(models, content, settings.schema, settings.dbt_vars)
        step.detail = {"models_fingerprint": models}
        last = _queries.last_build(connection)
        if (
            not (force or full_refresh)
            and last
            and last.input_fingerprint == step.input_fingerprint
            and _all_exist(connection, last.relations)
        ):
            step.skipped = "neither rows nor models have changed"
            step.detail |= {"relations": last.relations}
            return
        # other models may have built the incremental tables in another form
        full_refresh = full_refresh or any(
            row.models_fingerprint != models for row in _queries.models_built(connection)
        )
    results = _invoke(settings, run_id, step, full_refresh=full_refresh)
    failed = [result for result in results if result.has_failed]
    step.detail |= {
        "relations": sorted(result.relation for result in results if result.relation),
        "models": sum(result.resource_type == "model" and result.status == "success" for result in results),
        "tests_passed": sum(result.status == "pass" for result in results),
        "warnings": [result.name for result in results if result.status == "warn"],
        "failures": [result.name for result in failed],
    }
    step.rows_out = sum(result.rows_affected or 0 for result in results if result.relation) or None
    with db.transaction(engine, role=settings.loader_role) as connection, connection.cursor() as cursor:
        invocation = (str(run_id), step.dbt_invocation_id)
        rows = [
            (*invocation, r.node_id, r.resource_type, r.status, r.failures, r.rows_affected, r.duration_ms, r.message)
            for r in results
        ]
        execute_values(cursor, _queries.record_nodes.sql, rows)
        # for `status`, which should not read the raw tables at each look
        step.detail |= {"miscounts": [each._asdict() for each in row_counts.miscounts(connection, settings.schema)]}
    if on_built:
        on_built(results)
    if failed:
        raise _failure(failed)


def _failure(failed: list[NodeResult]) -> PipelineError:
    first, more = failed[0], len(failed) - 1
    text = f"dbt {first.name}: {first.message or first.status}" + (f" (and {more} more)" if more else "")
    if all(result.resource_type == "test" for result in failed):
        return TestsFailedError(text, hint="The failing rows are in the schema dbt_test_failures.")
    return PipelineError(text, hint=f"To build only this model: make dbt ARGS='build --select {first.name}'")


def _fingerprint_of_models() -> str:
    digest = hashlib.sha256()
    for path in sorted(PROJECT_DIRECTORY.rglob("*")):
        inside = path.relative_to(PROJECT_DIRECTORY)
        if path.suffix in _INPUTS and not _NOT_INPUTS & set(inside.parts):
            digest.update(f"\0{inside.as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _digest(*parts: str | None) -> str:
    return hashlib.sha256("\0".join(part or "" for part in (__version__, *parts)).encode()).hexdigest()


def _all_exist(connection: db.Connection, relations: list[str]) -> bool:
    return bool(relations) and bool(_queries.all_exist(connection, relations=relations))


def _invoke(settings: Settings, run_id: UUID, step: Step, *, full_refresh: bool) -> list[NodeResult]:
    from dbt.cli.main import dbtRunner  # noqa: PLC0415  (importing it takes a second)

    with (
        _workspace(settings) as (target, logs, documentation),
        _environment(settings, run_id),
        db.connections_of_dbt(db.SessionLimits.of(settings), run_id) as losses,
    ):
        options = ["--vars", _vars(settings)]
        for option, value in (
            ("--project-dir", PROJECT_DIRECTORY),
            ("--profiles-dir", PROJECT_DIRECTORY),
            ("--target-path", target),
            ("--log-path", logs),
            ("--log-level", "none"),
            # dbt's own log quotes data; _dbt_log writes a redacted one
            ("--log-level-file", "none"),
        ):
            options += [option, str(value)]
        log.event("dbt is parsing the models")
        with _dbt_log(logs) as write:
            # the build writes manifest.json
            outcome = dbtRunner(callbacks=[write]).invoke(["parse", "--no-write-json", *options])
            if outcome.success:
                # parsed once, for the build and for the documentation
                runner = dbtRunner(manifest=outcome.result, callbacks=[_log_node, write])
                build = ["build", "--exclude-resource-type", "unit_test", *(["--full-refresh"] if full_refresh else [])]
                outcome = runner.invoke([*build, *options])
                if documentation and any(
                    str(result.status) == "success" for result in getattr(outcome.result, "results", ())
                ):
                    _document(runner, options, target, documentation)
        _redact_results(target)
        relations = _relations(target)
    if isinstance(outcome.exception, KeyboardInterrupt):
        raise outcome.exception
    if losses:
        # the models that failed of it say nothing about themselves
        raise db.translate(losses[0]) from losses[0]
    if outcome.result is None or not hasattr(outcome.result, "results"):
        # the first line names the model, the second says what is wrong with it
        lines = log.redact(str(outcome.exception or "no result")).strip().splitlines()[:2]
        reason = ": ".join(line.strip() for line in lines)
        raise PipelineError(f"dbt could not start: {reason}", hint=f"See dbt.log in {logs}.") from outcome.exception
    step.dbt_invocation_id = outcome.result.args.get("invocation_id") or _invocation_id()
    return [_node_result(result, relations) for result in outcome.result.results]


def _document(runner: Any, options: list[str], target: Path, directory: Path) -> None:
    """Write dbt's documentation as one page. A failure does not fail the run."""
    outcome = runner.invoke(["docs", "generate", "--static", "--no-compile", *options])
    if isinstance(outcome.exception, KeyboardInterrupt):
        raise outcome.exception
    try:
        if not outcome.success:
            raise OSError(str(outcome.exception or "see dbt.log"))
        directory.mkdir(parents=True, exist_ok=True)
        page = directory / "index.html"
        # renamed within its directory, so that no reader sees a part of the page
        partial = directory / ".index.html.partial"
        shutil.move(target / _STATIC_PAGE, partial)
        partial.replace(page)
    except OSError as exc:
        log.event(f"could not write dbt's documentation: {log.redact(str(exc))}", level=log.WARNING)
    else:
        log.event(f"dbt's documentation is in {page}", level=log.DEBUG)


def _relations(target: Path) -> dict[str, str]:
    """Return `schema.name` of each model and source by its dbt id, from dbt's manifest."""
    try:
        manifest = json.loads(target.joinpath("manifest.json").read_bytes())
    except OSError:
        return {}
    nodes = {**manifest["nodes"], **manifest["sources"]}
    return {
        node_id: f"{node['schema']}.{node.get('identifier') or node['alias']}"
        for node_id, node in nodes.items()
        if node.get("relation_name")
    }


def _vars(settings: Settings) -> str:
    given = yaml.safe_load(settings.dbt_vars or "{}")
    if not isinstance(given, dict):
        raise ConfigurationError(
            "PIPELINE_DBT_VARS is not a mapping", hint="Write it like {as_of: 2026-04-30, min_steps: 100}."
        )
    return json.dumps({**given, "raw_schema": settings.schema}, default=str)


@contextmanager
def _workspace(settings: Settings) -> Iterator[tuple[Path, Path, Path | None]]:
    """Yield the folders of dbt's artifacts, log and documentation.

    They are those of the settings, or else in the dbt project, or else temporary if the project is read-only. The
    folder of the documentation is None if it would be temporary.
    """
    own = PROJECT_DIRECTORY / "target"
    with temporary_folder(".wearables-dbt-") as scratch:
        writable = os.access(PROJECT_DIRECTORY, os.W_OK)
        target = settings.dbt_target_dir or (own if writable else Path(scratch, "target"))
        logs = settings.dbt_log_dir or (PROJECT_DIRECTORY / "logs" if writable else Path(scratch, "logs"))
        target.mkdir(parents=True, exist_ok=True)
        if target != own and (own / _PARTIAL_PARSE).exists() and not (target / _PARTIAL_PARSE).exists():
            shutil.copyfile(own / _PARTIAL_PARSE, target / _PARTIAL_PARSE)
        yield target, logs, settings.dbt_docs_dir or settings.dbt_target_dir or (own if writable else None)


@contextmanager
def _environment(settings: Settings, run_id: UUID) -> Iterator[None]:
    """Set the variables of dbt's profile, which reads the environment of the process only."""
    given = {**(settings.database.environment if settings.database else {}), "PIPELINE_RUN_ID": str(run_id)}
    if settings.transformer_role:
        given["PIPELINE_TRANSFORMER_ROLE"] = settings.transformer_role
    if settings.transformer_role:
        # dbt's own `role` is a SET ROLE, which a rollback undoes; this is the default of the session
        given["PGOPTIONS"] = "-c role=" + re.sub(r"([\\ ])", r"\\\1", settings.transformer_role)
    with exported(given):
        yield


def _invocation_id() -> str:
    from dbt_common.invocation import get_invocation_id  # noqa: PLC0415

    return str(get_invocation_id())


def _node_result(result: Any, relations: Mapping[str, str]) -> NodeResult:
    node = result.node
    response = getattr(result, "adapter_response", None) or {}
    config = getattr(node, "config", None)
    is_relation = node.resource_type == "model" and getattr(config, "materialized", None) in _BUILT
    message = log.redact(str(result.message)).strip().splitlines() if result.message else []
    return NodeResult(
        node_id=node.unique_id,
        name=node.name,
        resource_type=str(node.resource_type),
        status=str(result.status),
        failures=result.failures,
        rows_affected=max(response.get("rows_affected") or 0, 0) if isinstance(response, dict) else None,
        duration_ms=round((result.execution_time or 0) * 1000),
        message=_shortened(message),
        relation=f"{node.schema}.{node.alias}" if is_relation else None,
        started_at=min(
            (each.started_at.replace(tzinfo=UTC) for each in result.timing if each.started_at), default=None
        ),
        reads=tuple(relations[each] for each in node.depends_on_nodes if each in relations),
        columns={column.name: column.data_type or "" for column in node.columns.values()} if is_relation else {},
        materialized=getattr(config, "materialized", None) if is_relation else None,
        tested=relations.get(getattr(node, "attached_node", None) or ""),
        column=getattr(node, "column_name", None),
        kind=getattr(getattr(node, "test_metadata", None), "name", None),
    )


def _shortened(lines: list[str]) -> str | None:
    """Return the line with the error; the line above it is `Database Error in model ...`."""
    return next((line.strip() for line in lines[1:] if line.strip()), lines[0] if lines else None)


@contextmanager
def _dbt_log(directory: Path) -> Iterator[Callable[[Any], None]]:
    """Yield a callback that writes dbt's events to dbt.log, redacted."""
    directory.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(directory / "dbt.log", maxBytes=_LOG_BYTES, backupCount=_LOGS_KEPT, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s [%(levelname)-5s] %(message)s"))

    def write(event: Any) -> None:
        level = logging.getLevelNamesMapping().get(str(event.info.level).upper(), logging.INFO)
        if level >= logging.INFO:
            text = log.redact(_COLOURS.sub("", event.info.msg))
            handler.handle(logging.LogRecord("dbt", level, "", 0, text, None, None))

    try:
        yield write
    finally:
        handler.close()


def _redact_results(target: Path) -> None:
    """Redact the database's messages in run_results.json, which quote data."""
    path = target / "run_results.json"
    try:
        document = json.loads(path.read_bytes())
    except OSError:
        return
    for result in document["results"]:
        if result.get("message"):
            result["message"] = log.redact(result["message"])
    path.write_text(json.dumps(document), encoding="utf-8")


def _log_node(event: Any) -> None:
    """Log the result of each node."""
    if event.info.name != "NodeFinished":
        return
    node = event.data.node_info
    quiet = log.INFO if node.resource_type == "model" else log.DEBUG
    log.event(
        f"{node.node_name}: {node.node_status}",
        level=log.ERROR
        if node.node_status in FAILED_NODE_STATUSES
        else log.WARNING
        if node.node_status == "warn"
        else quiet,
        node=node.unique_id,
        node_status=node.node_status,
        duration_ms=round(event.data.run_result.execution_time * 1000),
    )
