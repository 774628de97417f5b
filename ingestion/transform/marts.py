"""Build the marts, if anything that dbt reads has changed, and record from what they were built."""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from psycopg2.extras import execute_values

from ingestion import __version__, db, distribution, manifest, row_counts
from ingestion.config import Settings
from ingestion.errors import PipelineError, TestsFailedError
from ingestion.results import NodeResult, Step
from ingestion.transform import inputs
from ingestion.transform.invocation import invoke
from ingestion.transform.nodes import summary_of

_queries = db.queries("transform")
_manifest_queries = db.queries("manifest")
_distribution_queries = db.queries("distribution")


class Fingerprints(NamedTuple):
    """What the marts are made from.

    Arguments:
        models: the digest of the dbt project.
        content: the digest of the loaded files.
        everything: the digest of both, of the version, of the settings, and of whether the rows are on several nodes.

    """

    models: str
    content: str
    everything: str


def build(
    engine: db.Engine,
    looking: db.Lender,
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
        looking: lends an autocommit session of the loader's role.
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
    variables = inputs.vars_of(settings)
    with looking() as connection:
        (models, content, step.input_fingerprint), last, is_distributed = _look(connection, settings)
    step.detail = {"models_fingerprint": models, "is_distributed": is_distributed}
    if (
        not (force or full_refresh)
        and last
        and last["all_exist"]
        and last["input_fingerprint"] == step.input_fingerprint
    ):
        step.skipped = "neither rows nor models have changed"
        step.detail |= {"relations": last["relations"]}
        return
    step.detail |= {"content_fingerprint": content, "cut_offs": inputs.cut_offs(variables)}
    with looking() as connection:
        # other models may have built the incremental tables in another form, and these models on other nodes
        full_refresh = full_refresh or any(
            row.models_fingerprint != models or row.is_distributed != is_distributed
            for row in _queries.models_built(connection)
        )
        if not _queries.knows_models(connection, models=models):
            # once for each version of the models, for `transform --compare`
            step.detail["files"] = inputs.checksums()
    step.dbt_invocation_id, results = invoke(settings, run_id, variables, full_refresh=full_refresh)
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


def fingerprints(connection: db.Connection, settings: Settings) -> Fingerprints:
    """Return the fingerprints of what the marts are made from.

    Arguments:
        connection: a connection that may read the manifest.
        settings: the settings, with the schema of the raw tables and the values for dbt's vars.

    """
    content = manifest.content_fingerprint(connection, settings.schema)
    is_distributed = distribution.is_distributed(connection, settings.schema)
    return _fingerprints(content, settings, is_distributed=is_distributed)


def _fingerprints(content: str, settings: Settings, *, is_distributed: bool) -> Fingerprints:
    models = inputs.fingerprint()
    nodes = "distributed" if is_distributed else None
    return Fingerprints(models, content, _digest(models, content, settings.schema, settings.dbt_vars, nodes))


def _look(connection: db.Connection, settings: Settings) -> tuple[Fingerprints, dict[str, Any] | None, bool]:
    """Return the fingerprints as they are now, what is recorded of the last build, and whether rows are distributed.

    This is one question, and on Citus another.
    """
    found = db.read_together(
        connection,
        content=(_manifest_queries.content_fingerprint, {"target_schema": settings.schema}),
        last=(_queries.last_build, {}),
        engine=(_distribution_queries.has_citus, {}),
    )
    content: str = found["content"][0]["md5"]
    is_distributed = found["engine"][0]["has_citus"] and distribution.is_distributed(connection, settings.schema)
    return (
        _fingerprints(content, settings, is_distributed=is_distributed),
        next(iter(found["last"]), None),
        is_distributed,
    )


def _failure(failed: list[NodeResult]) -> PipelineError:
    text = summary_of(failed)
    if all(result.resource_type == "test" for result in failed):
        return TestsFailedError(text, hint="The failing rows are in the schema dbt_test_failures.")
    return PipelineError(text, hint=f"To build only this model: make dbt ARGS='build --select {failed[0].name}'")


def _digest(*parts: str | None) -> str:
    return hashlib.sha256("\0".join(part or "" for part in (__version__, *parts)).encode()).hexdigest()
