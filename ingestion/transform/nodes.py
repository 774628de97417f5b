"""What dbt says about its models and tests: their results, its log, and what of both may be kept."""

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from ingestion import log
from ingestion.results import FAILED_NODE_STATUSES, NodeResult

_BUILT = {"table", "incremental", "view", "materialized_view"}
_LOG_BYTES = 10 << 20
_LOGS_KEPT = 5
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def summary_of(failed: Sequence[NodeResult]) -> str:
    """Return one line about models and tests that failed.

    Arguments:
        failed: at least one.

    """
    first, more = failed[0], len(failed) - 1
    return f"dbt {first.name}: {first.message or first.status}" + (f" (and {more} more)" if more else "")


def relations_in(target: Path) -> dict[str, str]:
    """Return `schema.name` of each model and source by its dbt id, from dbt's manifest.

    Arguments:
        target: the folder of dbt's artifacts.

    """
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


def node_result(result: Any, relations: Mapping[str, str]) -> NodeResult:
    """Return the result of a model or test, without data of participants.

    Arguments:
        result: dbt's.
        relations: `schema.name` of each model and source by its dbt id.

    """
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
def dbt_log(directory: Path) -> Iterator[Callable[[Any], None]]:
    """Yield a callback that writes dbt's events to dbt.log, redacted.

    Arguments:
        directory: the folder of the log.

    """
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


def redact_results(target: Path) -> None:
    """Redact the database's messages in run_results.json, which quote data.

    Arguments:
        target: the folder of dbt's artifacts.

    """
    path = target / "run_results.json"
    try:
        document = json.loads(path.read_bytes())
    except OSError:
        return
    for result in document["results"]:
        if result.get("message"):
            result["message"] = log.redact(result["message"])
    path.write_text(json.dumps(document), encoding="utf-8")


def log_node(event: Any) -> None:
    """Log the result of each node.

    Arguments:
        event: any event of dbt.

    """
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
