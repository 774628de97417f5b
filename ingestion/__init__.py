"""Wearable-device CSV drops into Postgres, exactly once, and on to dbt."""

__version__ = "0.2.0"
