# One recipe for every deployable: edge, presence-svc, sync-svc, queue-svc, notify-svc, and libs/ops (the command
# `confer`). An image is made of its folder, libs/contracts, libs/kit and the lock; docs/adr/0037 says how and why.
#   docker build -f deploy/service.Dockerfile --build-arg SERVICE=sync-svc -t confer/sync-svc .
ARG PYTHON_IMAGE=python:3.13-slim

# The lock, downloaded once for all images and checked by its hashes; what every process needs, installed.
FROM ${PYTHON_IMAGE} AS kit
COPY requirements.lock /src/
RUN pip download --no-cache-dir --no-deps --require-hashes --dest /wheels --requirement /src/requirements.lock \
    && pip install --no-cache-dir --root-user-action=ignore --no-index --find-links /wheels uv-build
COPY libs/contracts /src/contracts
COPY libs/kit /src/kit
RUN pip wheel --no-index --no-build-isolation --no-deps --wheel-dir /wheels /src/contracts /src/kit \
    && python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --no-index --find-links /wheels confer-kit

# The deployable, and what it alone needs.
FROM kit AS service
ARG SERVICE
COPY ${SERVICE} /src/service
RUN pip wheel --no-index --no-build-isolation --no-deps --wheel-dir /own /src/service \
    && pip --python /opt/venv/bin/python install --no-cache-dir --no-index --find-links /wheels --prefix /opt/own \
    --no-warn-script-location /own/*.whl

# No sources, no compiler, no pip of ours, no root; it writes nothing. The first layer is the same in all images.
FROM ${PYTHON_IMAGE}
COPY --from=kit /opt/venv /opt/venv
COPY --from=service /opt/own /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CONFER_LOG_FORMAT=json
USER 65534:65534
ARG SERVICE
ARG COMMAND=${SERVICE}
ARG METRICS_PORT=0
ENV COMMAND=${COMMAND} CONFER_METRICS_PORT=${METRICS_PORT}
CMD exec $COMMAND
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["confer-health"]
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="${SERVICE}" org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" org.opencontainers.image.licenses="MIT"
