# The models, for the volume of the Triton pods: docker build --file deploy/kubernetes/models.Dockerfile --tag platelane-models .
# --build-arg MODELS=learned/NAME/models takes those that `platelane learn` made.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}
ARG MODELS=triton_models
COPY ${MODELS} /triton_models
USER 10001:10001
CMD ["cp", "--recursive", "/triton_models/.", "/models"]
