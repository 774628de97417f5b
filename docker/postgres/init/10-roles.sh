#!/usr/bin/env bash
# Creates the roles on the first start of the compose database, with passwords from the secret files.
# It does not apply sql/: PostgreSQL runs this only on an empty data directory, and the pipeline migrates on every run.
PIPELINE_PASSWORD=$(<"$PIPELINE_PASSWORD_FILE") READER_PASSWORD=$(<"$READER_PASSWORD_FILE") \
  psql --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --file /docker/roles.sql
