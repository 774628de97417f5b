"""Settings, read once from the environment and frozen from then on."""

from ingestion.config.alerts import AlertSettings
from ingestion.config.database import Database
from ingestion.config.digest import DigestSettings
from ingestion.config.environment import exported
from ingestion.config.kinds import Freshness
from ingestion.config.settings import ROOT, Settings
from ingestion.config.telemetry import Lineage, Signal, Telemetry

__all__ = [
    "ROOT",
    "AlertSettings",
    "Database",
    "DigestSettings",
    "Freshness",
    "Lineage",
    "Settings",
    "Signal",
    "Telemetry",
    "exported",
]
