# One recipe for every deployable: edge, presence-svc, sync-svc, queue-svc, notify-svc, and libs/ops (provisioning).
#   docker build -f deploy/service.Dockerfile --build-arg SERVICE=sync-svc -t confer/sync-svc .
# The image holds the one deployable, its libraries and what they need; no sources, no compiler, no root.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG SERVICE
COPY requirements.lock /src/
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /src/requirements.lock
COPY libs /src/libs
COPY ${SERVICE} /src/service
RUN PATH=/opt/venv/bin:$PATH /opt/venv/bin/pip install --no-index --no-build-isolation --no-deps \
    /src/libs/contracts /src/libs/kit /src/service

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 CONFER_LOG_FORMAT=json
USER 65534:65534
ARG SERVICE
ARG COMMAND=${SERVICE}
ENV COMMAND=${COMMAND}
CMD exec $COMMAND
