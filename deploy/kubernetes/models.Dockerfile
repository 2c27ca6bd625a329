# The models, for the volume of the Triton pods: docker build --file deploy/kubernetes/models.Dockerfile --tag platelane-models .
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}
COPY triton_models /triton_models
USER 10001:10001
CMD ["cp", "--recursive", "/triton_models/.", "/models"]
