# syntax=docker/dockerfile:1
# One image for the trainer, the server and the cache client: choose by the command.
# The tag moves with Debian's and Python's fixes. To build on one image for good, name it by its digest, which
# `docker buildx imagetools inspect python:3.11-slim-bookworm` prints: --build-arg BASE=python@sha256:DIGEST
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS build
# PyTorch's own index of CPU builds; the default index would bring several gigabytes of CUDA. Only torch comes from it.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m venv /opt/playthrough
ENV PATH=/opt/playthrough/bin:$PATH PIP_NO_CACHE_DIR=1
WORKDIR /build
# What we depend on changes seldom, our own code often: a layer each. Every file has to have a hash that is listed.
COPY deploy/requirements ./requirements
RUN pip install --no-deps --require-hashes --index-url "$TORCH_INDEX" --requirement requirements/torch.txt
RUN pip install --no-deps --require-hashes --requirement requirements/runtime.txt
COPY pyproject.toml LICENSE README.md ./
COPY proto ./proto
COPY data ./data
COPY models ./models
COPY trainer ./trainer
COPY server ./server
COPY cache_client ./cache_client
RUN pip install --no-deps --no-build-isolation . && pip check

FROM ${BASE}
RUN groupadd --system --gid 10001 playthrough \
    && useradd --system --uid 10001 --gid playthrough --create-home --home-dir /var/lib/playthrough playthrough
COPY --from=build /opt/playthrough /opt/playthrough
# matplotlib keeps its font list in MPLCONFIGDIR; in compose only /tmp and the volumes can be written.
ENV PATH=/opt/playthrough/bin:$PATH PYTHONUNBUFFERED=1 PLAYTHROUGH_VAR_DIR=/var/lib/playthrough/var \
    MPLCONFIGDIR=/tmp/matplotlib PLAYTHROUGH_LOG_FORMAT=json PLAYTHROUGH_HEALTH_PORT=50052
USER playthrough
WORKDIR /var/lib/playthrough
RUN mkdir data models var
EXPOSE 50051
# The server's; a container that runs another command switches it off.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "server", "health"]
# --insecure: a container listens on all of its own addresses; what of them is published, and to whom, is told where it
# is run. With PLAYTHROUGH_TLS_DIR it speaks TLS all the same (docs/security.md).
CMD ["python", "-m", "server", "--data", "data/sample", "--models", "models", "--host", "0.0.0.0", "--insecure"]
