# syntax=docker/dockerfile:1
# One image for the trainer, the server and the cache client: choose by the command.
FROM python:3.11-slim-bookworm AS build
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

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/playthrough playthrough
COPY --from=build /opt/playthrough /opt/playthrough
# matplotlib keeps its font list in MPLCONFIGDIR; in compose only /tmp and the volumes can be written.
ENV PATH=/opt/playthrough/bin:$PATH PYTHONUNBUFFERED=1 PLAYTHROUGH_VAR_DIR=/var/lib/playthrough/var \
    MPLCONFIGDIR=/tmp/matplotlib
USER playthrough
WORKDIR /var/lib/playthrough
RUN mkdir data models var
EXPOSE 50051
CMD ["python", "-m", "server", "--data", "data/sample", "--models", "models", "--host", "0.0.0.0"]
