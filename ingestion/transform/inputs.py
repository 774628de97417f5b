"""What dbt reads apart from the database: the files of the project, and the values of its vars."""

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ingestion.config import ROOT, Settings
from ingestion.errors import ConfigurationError, UsageError

PROJECT_DIRECTORY = ROOT / "dbt"
SCHEMA_PREFIX = "schema_prefix"

_INPUTS = {".sql", ".yml", ".yaml", ".csv", ".md"}
_NOT_INPUTS = {"target", "logs", "dbt_packages"}
_RAW_SCHEMA = "raw_schema"
# vars that say where and how to build, and not what the marts mean
_NO_CUT_OFFS = {_RAW_SCHEMA, SCHEMA_PREFIX, "work_mem", "datasets", "metrics"}
_DIGITS = 16
_EXAMPLE = "{as_of: 2026-04-30, min_steps: 100}"


def fingerprint() -> str:
    """Return a digest of the files of the dbt project."""
    digest = hashlib.sha256()
    for name, content in _files():
        digest.update(f"\0{name}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def checksums() -> dict[str, str]:
    """Return the beginning of the digest of each file of the dbt project, by its path in there."""
    return {name: hashlib.sha256(content).hexdigest()[:_DIGITS] for name, content in _files()}


def declared_vars() -> dict[str, Any]:
    """Return dbt's vars with the values that the project gives them, in its order."""
    project = yaml.safe_load(PROJECT_DIRECTORY.joinpath("dbt_project.yml").read_text(encoding="utf-8"))
    declared: dict[str, Any] = project["vars"]
    return declared


def vars_of(settings: Settings) -> dict[str, Any]:
    """Return the values of dbt's vars that a build is given.

    Arguments:
        settings: the settings.

    Raises:
        ConfigurationError: PIPELINE_DBT_VARS is not a mapping, or moves the marts into other schemas.

    """
    given = _mapping(settings.dbt_vars)
    if given is None:
        raise ConfigurationError("PIPELINE_DBT_VARS is not a mapping", hint=f"Write it like {_EXAMPLE}.")
    if SCHEMA_PREFIX in given:
        raise ConfigurationError(f"PIPELINE_DBT_VARS cannot set {SCHEMA_PREFIX}", hint="Only comparisons set it.")
    return {**given, _RAW_SCHEMA: settings.schema}


def cut_offs(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cut-offs that a build has: those that it is given, and else the project's own.

    Arguments:
        given: the values that a build is given.

    """
    declared = declared_vars()
    chosen = {name: given.get(name, default) for name, default in declared.items() if name not in _NO_CUT_OFFS}
    # a date is a text in JSON
    made: dict[str, Any] = json.loads(json.dumps(chosen, default=str))
    return made


def other_cut_offs(text: str | None) -> dict[str, Any]:
    """Return cut-offs that somebody has typed.

    Arguments:
        text: a mapping as YAML or JSON.

    Raises:
        UsageError: it is no mapping, or names something that is no cut-off.

    """
    given = _mapping(text)
    if given is None:
        raise UsageError("--vars is not a mapping", hint=f"Write it like --vars '{_EXAMPLE}'.")
    known = [name for name in declared_vars() if name not in _NO_CUT_OFFS]
    unknown = [str(name) for name in given if name not in known]
    if unknown:
        near = difflib.get_close_matches(unknown[0], known)
        raise UsageError(
            f"--vars: {unknown[0]} is not a cut-off",
            hint=f"Did you mean {' or '.join(near)}?" if near else "dbt/dbt_project.yml lists all cut-offs.",
        )
    return given


def _mapping(text: str | None) -> dict[str, Any] | None:
    try:
        given = yaml.safe_load(text or "{}")
    except yaml.YAMLError:
        return None
    return given if isinstance(given, dict) else None


def _files() -> Iterator[tuple[str, bytes]]:
    for path in sorted(PROJECT_DIRECTORY.rglob("*")):
        inside = path.relative_to(PROJECT_DIRECTORY)
        if path.suffix in _INPUTS and not _NOT_INPUTS & set(inside.parts):
            yield inside.as_posix(), path.read_bytes()
