"""The two modes of an ingest: with the manifest, each content is loaded once; without it, tables are replaced."""

from ingestion.modes.full_reload import FullReload
from ingestion.modes.manifest_load import ManifestLoad
from ingestion.modes.plan import Plan

__all__ = ["FullReload", "ManifestLoad", "Plan"]
