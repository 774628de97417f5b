"""Call dbt, in this process."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from ingestion import db, log
from ingestion.config import Settings, exported
from ingestion.errors import PipelineError
from ingestion.leftovers import temporary_folder
from ingestion.results import NodeResult
from ingestion.transform.inputs import PROJECT_DIRECTORY
from ingestion.transform.nodes import dbt_log, log_node, node_result, redact_results, relations_in

_PARTIAL_PARSE = "partial_parse.msgpack"
_STATIC_PAGE = "static_index.html"


class Invocation(NamedTuple):
    """What an invocation of dbt has built and tested.

    Arguments:
        invocation_id: dbt's id of it.
        results: the models and tests.

    """

    invocation_id: str
    results: list[NodeResult]


def invoke(
    settings: Settings,
    run_id: UUID,
    variables: Mapping[str, Any],
    *,
    full_refresh: bool,
    is_scratch: bool = False,
) -> Invocation:
    """Build all models and run their tests.

    Arguments:
        settings: the settings, for dbt's profile.
        run_id: the run that dbt's connections are tied to.
        variables: the values of dbt's vars.
        full_refresh: build incremental models from all rows.
        is_scratch: leave the artifacts and the documentation of the last build as they are.

    Raises:
        DatabaseUnavailableError: a connection was lost.
        PipelineError: dbt could not start. A model or a test that failed is in the result.

    """
    from dbt.cli.main import dbtRunner  # noqa: PLC0415  (importing it takes a second)

    with (
        workspace(settings, is_scratch=is_scratch) as (target, logs, documentation),
        environment(settings, run_id),
        db.connections_of_dbt(db.SessionLimits.of(settings), run_id) as losses,
    ):
        options = _options(variables, target, logs)
        log.event("dbt is parsing the models")
        with dbt_log(logs) as write:
            # the build writes manifest.json
            outcome = dbtRunner(callbacks=[write]).invoke(["parse", "--no-write-json", *options])
            if outcome.success:
                # parsed once, for the build and for the documentation
                runner = dbtRunner(manifest=outcome.result, callbacks=[log_node, write])
                build = ["build", "--exclude-resource-type", "unit_test", *(["--full-refresh"] if full_refresh else [])]
                outcome = runner.invoke([*build, *options])
                if documentation and any(
                    str(result.status) == "success" for result in getattr(outcome.result, "results", ())
                ):
                    _document(runner, options, target, documentation)
        redact_results(target)
        relations = relations_in(target)
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
    return Invocation(
        outcome.result.args.get("invocation_id") or _invocation_id(),
        [node_result(result, relations) for result in outcome.result.results],
    )


def parsed_project(settings: Settings, variables: Mapping[str, Any]) -> Any:
    """Return dbt's manifest of the project: the models with their descriptions, tests and macros.

    Arguments:
        settings: the settings, for dbt's profile.
        variables: the values of dbt's vars.

    Raises:
        PipelineError: dbt cannot parse the project.

    """
    from dbt.cli.main import dbtRunner  # noqa: PLC0415  (importing it takes a second)

    with workspace(settings) as (target, logs, _), environment(settings, uuid4()):
        outcome = dbtRunner().invoke(["parse", "--no-write-json", *_options(variables, target, logs)])
    if isinstance(outcome.exception, KeyboardInterrupt):
        raise outcome.exception
    if not outcome.success:
        raise PipelineError(
            f"dbt cannot parse the models: {log.redact(str(outcome.exception)).strip().splitlines()[0]}"
        )
    return outcome.result


def _options(variables: Mapping[str, Any], target: Path, logs: Path) -> list[str]:
    options = ["--vars", json.dumps(variables, default=str)]
    for option, value in (
        ("--project-dir", PROJECT_DIRECTORY),
        ("--profiles-dir", PROJECT_DIRECTORY),
        ("--target-path", target),
        ("--log-path", logs),
        ("--log-level", "none"),
        # dbt's own log quotes data; dbt_log writes a redacted one
        ("--log-level-file", "none"),
    ):
        options += [option, str(value)]
    return options


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


@contextmanager
def workspace(settings: Settings, *, is_scratch: bool = False) -> Iterator[tuple[Path, Path, Path | None]]:
    """Yield the folders of dbt's artifacts, log and documentation.

    They are those of the settings, or else in the dbt project, or else temporary if the project is read-only. The
    folder of the documentation is None if it would be temporary.

    Arguments:
        settings: the settings.
        is_scratch: leave the artifacts and the documentation of the last build as they are: only the log is kept.

    """
    own = PROJECT_DIRECTORY / "target"
    with temporary_folder(".wearables-dbt-") as scratch:
        writable = os.access(PROJECT_DIRECTORY, os.W_OK)
        target = settings.dbt_target_dir or (own if writable else Path(scratch, "target"))
        logs = settings.dbt_log_dir or (PROJECT_DIRECTORY / "logs" if writable else Path(scratch, "logs"))
        if is_scratch:
            yield Path(scratch, "target"), logs, None
            return
        target.mkdir(parents=True, exist_ok=True)
        if target != own and (own / _PARTIAL_PARSE).exists() and not (target / _PARTIAL_PARSE).exists():
            shutil.copyfile(own / _PARTIAL_PARSE, target / _PARTIAL_PARSE)
        yield target, logs, settings.dbt_docs_dir or settings.dbt_target_dir or (own if writable else None)


@contextmanager
def environment(settings: Settings, run_id: UUID) -> Iterator[None]:
    """Set the variables of dbt's profile, which reads the environment of the process only.

    Arguments:
        settings: the settings.
        run_id: the run, for dbt's query comments.

    """
    given = {**(settings.database.environment if settings.database else {}), "PIPELINE_RUN_ID": str(run_id)}
    if settings.transformer_role:
        given["PIPELINE_TRANSFORMER_ROLE"] = settings.transformer_role
        # dbt's own `role` is a SET ROLE, which a rollback undoes; this is the default of the session
        given["PGOPTIONS"] = "-c role=" + re.sub(r"([\\ ])", r"\\\1", settings.transformer_role)
    with exported(given):
        yield


def _invocation_id() -> str:
    from dbt_common.invocation import get_invocation_id  # noqa: PLC0415

    return str(get_invocation_id())
