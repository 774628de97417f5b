"""The declared datasets, by the names that tests use."""

from ingestion.sources import dataset_named, declared

DATASETS = declared()
DAILY_ACTIVITY = dataset_named("daily_activity")
SLEEP = dataset_named("sleep")
