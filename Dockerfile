# syntax=docker/dockerfile:1
# Three stages: what both need, the tests, and last the product, which is what a plain build gives.

FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
# The locks alone first: the packages stay in the cache while only our own code changes. The same
# bootstrap as outside, so that `make` finds everything installed and fetches nothing later.
COPY requirements-build.lock requirements.lock ./
COPY tools/bootstrap.py tools/
RUN python3 tools/bootstrap.py run
ENV PATH=/app/.venv/bin:$PATH

FROM base AS test
RUN apt-get update \
    && apt-get install --yes --no-install-recommends chromium-headless-shell git make procps \
    && rm -rf /var/lib/apt/lists/*
COPY requirements-test.lock ./
RUN python3 tools/bootstrap.py test
# With .git: one of the tests reads what is tracked.
COPY . .
CMD ["make", "test"]

FROM base AS product
RUN useradd --create-home --uid 10001 trader \
    && install --directory --owner=trader --mode=0700 /data /data/state /data/logs
COPY deploy_supervisor.py pyproject.toml RUNBOOK.md .env.example ./
COPY shared shared
COPY services services
COPY chaos chaos
RUN python -m compileall -q deploy_supervisor.py shared services chaos
ENV STATE_DIR=/data/state LOG_DIR=/data/logs
USER trader
VOLUME ["/data"]
EXPOSE 8000
# `status` judges the age of health.json first: a silent supervisor is unhealthy, DEGRADED is not.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD python deploy_supervisor.py status > /dev/null; test $? -le 1
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "deploy_supervisor.py"]
CMD ["run"]
