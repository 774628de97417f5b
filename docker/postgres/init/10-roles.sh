#!/usr/bin/env bash
# First start of the compose database: the roles, with passwords from the secret files. sql/ is not applied here:
# this folder is read on an empty data directory only, the pipeline migrates on every run.
PIPELINE_PASSWORD=$(<"$PIPELINE_PASSWORD_FILE") READER_PASSWORD=$(<"$READER_PASSWORD_FILE") \
  psql --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --file /docker/roles.sql
