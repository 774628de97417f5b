# The pipeline as a job image: `docker run IMAGE` migrates, ingests and runs dbt once, then exits.
# Built by scripts/build-image.sh, which fills in the labels. What is in it and why: docs/image.md
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
# tini: a bare program as PID 1 ignores a SIGTERM that comes before its handler is installed
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends tini && \
    rm -rf /var/lib/apt/lists/*

# The dependencies are a layer of their own, remade only when the lock file changes. A registry or a certificate of
# your own comes in as a build secret and stays in no layer.
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

# The program, compiled, and dbt's parsed project, so that the first run starts warm.
FROM build AS app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH DBT_SEND_ANONYMOUS_USAGE_STATS=false
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
# The official base comes without compiled standard library modules; a read-only root could never keep them.
# 10001: a number, so that Kubernetes can check runAsNonRoot; no passwd entry is needed, any other number works too.
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
      org.opencontainers.image.description="Wearable-device CSV drops into Postgres, exactly once, and on to dbt" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
