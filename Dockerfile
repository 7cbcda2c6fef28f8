# syntax=docker/dockerfile:1
# One image for the trainer, the server and the cache client: choose by the command.
FROM python:3.11-slim-bookworm AS build
# PyTorch's own index of CPU builds; the default index would bring several gigabytes of CUDA. Only torch comes from it;
# what torch needs comes from PyPI, in the pinned versions.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m venv /opt/playthrough
ENV PATH=/opt/playthrough/bin:$PATH PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY constraints.txt ./
RUN pip install --no-deps --constraint constraints.txt --index-url "$TORCH_INDEX" torch
# What we depend on changes seldom, our own code often: a layer each.
COPY pyproject.toml ./
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
      print(*p['dependencies'], *p['optional-dependencies']['tracing'], sep='\n')" \
      > requirements.txt \
    && pip install --constraint constraints.txt --requirement requirements.txt
COPY LICENSE README.md ./
COPY proto ./proto
COPY data ./data
COPY models ./models
COPY trainer ./trainer
COPY server ./server
COPY cache_client ./cache_client
RUN pip install --no-deps .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/playthrough playthrough
COPY --from=build /opt/playthrough /opt/playthrough
# matplotlib keeps its font list in MPLCONFIGDIR; in compose only /tmp and the volumes can be written.
ENV PATH=/opt/playthrough/bin:$PATH PYTHONUNBUFFERED=1 PLAYTHROUGH_VAR_DIR=/var/lib/playthrough/var \
    MPLCONFIGDIR=/tmp/matplotlib PLAYTHROUGH_LOG_FORMAT=json
USER playthrough
WORKDIR /var/lib/playthrough
RUN mkdir data models var
EXPOSE 50051
# --insecure: a container listens on all of its own addresses; what of them is published, and to whom, is told where it
# is run. With PLAYTHROUGH_TLS_DIR it speaks TLS all the same (docs/security.md).
CMD ["python", "-m", "server", "--data", "data/sample", "--models", "models", "--host", "0.0.0.0", "--insecure"]
