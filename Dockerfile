# Three images: `platelane` (the seven services; `command: python -m <service>` picks one), `front` (the load balancer for
# the gateways) and `triton-cpu` (Triton without a GPU, for docker-compose.cpu.yml). Compilers, pip's caches and the
# extras for tests and training are left out.
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS packages
WORKDIR /app
RUN python -m venv --without-pip /opt/platelane
COPY requirements/services.txt requirements/
RUN pip --python /opt/platelane install --no-cache-dir --disable-pip-version-check --require-hashes \
        -r requirements/services.txt
COPY . .
# To use the labels of models made by `platelane learn`: --build-arg MODELS=learned/NAME/models
ARG MODELS=triton_models
COPY ${MODELS} triton_models
# Editable, so that the code stays in /app beside the models' label files, in a layer of its own.
RUN pip --python /opt/platelane install --no-cache-dir --disable-pip-version-check --no-deps -e . \
    && python -m compileall -q --invalidation-mode unchecked-hash /app

FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin platelane
COPY --chmod=755 deploy/healthcheck.sh /usr/local/bin/healthcheck.sh
WORKDIR /app

FROM base AS platelane
COPY --from=packages /opt/platelane /opt/platelane
COPY --from=packages /app /app
ENV PATH=/opt/platelane/bin:$PATH \
    PLATELANE_HEALTH_PORT=8081
# So that a new volume mounted here belongs to the user below.
RUN install --directory --owner=10001 --group=10001 --mode=755 /keys /reads
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["healthcheck.sh", "8081", "/readyz"]
CMD ["python", "-m", "gateway"]

FROM base AS front
RUN apt-get update \
    && apt-get install --yes --no-install-recommends haproxy \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["healthcheck.sh", "8081", "/readyz"]
STOPSIGNAL SIGUSR1
CMD ["haproxy", "-db", "-f", "/etc/haproxy/platelane.cfg"]

# NVIDIA's Triton from its wheel, laid out as in NVIDIA's image, so that the same command starts either.
FROM ${PYTHON_IMAGE} AS triton-packages
COPY requirements/triton.txt requirements/
RUN python -m venv --without-pip /opt/triton \
    && pip --python /opt/triton install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
        -r requirements/triton.txt
WORKDIR /opt/tritonserver
RUN packages=$(/opt/triton/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
    && python=$(python -c 'import sys; print("{}.{}".format(*sys.version_info))') \
    && mv "$packages"/pytriton/tritonserver/bin "$packages"/pytriton/tritonserver/backends . \
    && mv "$packages"/pytriton/tritonserver/python_backend_stubs/"$python"/triton_python_backend_stub backends/python/ \
    && mv "$packages"/nvidia_pytriton.libs lib \
    && rm -r "$packages"/pytriton \
    && chmod +x bin/tritonserver backends/python/triton_python_backend_stub
COPY backends backends

FROM base AS triton-cpu
COPY --from=triton-packages /opt/triton /opt/triton
COPY --from=triton-packages /opt/tritonserver /opt/tritonserver
ENV PATH=/opt/tritonserver/bin:/opt/triton/bin:$PATH \
    LD_LIBRARY_PATH=/opt/tritonserver/lib
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=3s --start-period=120s --start-interval=1s --retries=3 \
    CMD ["healthcheck.sh", "8000", "/v2/health/ready"]
CMD ["tritonserver", "--model-repository=/models", "--model-config-name=cpu", "--disable-auto-complete-config"]
