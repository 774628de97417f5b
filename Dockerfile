# The pipeline as a job: `docker run IMAGE` runs it once and exits. scripts/build-image.sh builds the image and sets the
# labels; docs/image.md lists what it contains.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
# Without tini as PID 1, a SIGTERM that arrives before the program installs its handler would be ignored.
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends tini && \
    rm -rf /var/lib/apt/lists/*

# The dependencies have a layer of their own, which changes only with the lock file. A private registry and its
# certificate are build secrets and stay in no layer.
COPY requirements/runtime.txt /build/runtime.txt
RUN --mount=type=secret,id=pip_config,target=/etc/pip.conf \
    --mount=type=secret,id=pip_cert \
    --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    if [ -s /run/secrets/pip_cert ]; then export PIP_CERT=/run/secrets/pip_cert; fi && \
    python3 -m venv --without-pip /opt/venv && \
    pip --python /opt/venv/bin/python install --quiet --require-hashes --only-binary :all: --no-compile \
      --requirement /build/runtime.txt
COPY docker/prune-venv.sh /build/prune-venv.sh
RUN sh /build/prune-venv.sh /opt/venv && \
    /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib

# Compiles the program and parses the dbt project, so that no run has to.
FROM build AS app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH DBT_SEND_ANONYMOUS_USAGE_STATS=false
COPY LICENSE LICENSE
COPY sql/ sql/
COPY dbt/ dbt/
COPY ingestion/ ingestion/
COPY --chmod=755 docker/entrypoint.sh docker/entrypoint.sh
COPY docker/parse-dbt.sh /build/parse-dbt.sh
RUN chmod -R u=rwX,go=rX /app && \
    python -m compileall -q --invalidation-mode unchecked-hash ingestion && \
    sh /build/parse-dbt.sh

FROM ${PYTHON_IMAGE}
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    OPENBLAS_NUM_THREADS=1 \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false \
    PIPELINE_DATA_DIR=/data_lake
COPY --from=build /usr/bin/tini-static /usr/bin/tini
COPY --from=build /opt/venv /opt/venv
# The base image has no compiled standard library, and a read-only root cannot store one.
# The user is a number, so that Kubernetes can check runAsNonRoot; it needs no passwd entry, and any number works.
RUN PYTHONDONTWRITEBYTECODE='' python -c 'import dbt.cli.main, dbt.adapters.postgres, pandas, sqlalchemy, rich.progress' && \
    install -d -m 0755 -o 10001 -g 10001 /data_lake /reports && \
    rm -rf /tmp/* /root/.cache
WORKDIR /app
COPY --from=app /app /app
USER 10001:10001
ENTRYPOINT ["/usr/bin/tini", "--", "/app/docker/entrypoint.sh"]
CMD ["run"]

ARG VERSION=0.0.0+unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="wearables-pipeline" \
      org.opencontainers.image.description="Loads wearable-device exports into PostgreSQL exactly once and builds marts with dbt" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
