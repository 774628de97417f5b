"""Run dbt: build the marts, if anything that they read has changed, or build others beside them to compare."""

from ingestion.transform.comparison import Comparison, compare, drop_compared
from ingestion.transform.inputs import PROJECT_DIRECTORY, declared_vars, other_cut_offs, vars_of
from ingestion.transform.invocation import parsed_project
from ingestion.transform.marts import build, fingerprints

__all__ = [
    "PROJECT_DIRECTORY",
    "Comparison",
    "build",
    "compare",
    "declared_vars",
    "drop_compared",
    "fingerprints",
    "other_cut_offs",
    "parsed_project",
    "vars_of",
]
