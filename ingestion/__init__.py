"""Load wearable-device exports into PostgreSQL exactly once and build marts with dbt."""

__version__ = "0.2.0"
