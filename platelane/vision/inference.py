"""The client for Triton: one gRPC client per process, for its whole life.

It uses the stubs that `tritonclient` generates from Triton's protocol rather than tritonclient's own wrapper, which
copies the pixels once more, takes 5 to 15 % more time a call and turns status codes into text.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Protocol, Self

import grpc
import numpy as np
import structlog
from numpy.typing import NDArray
from tenacity import AsyncRetrying, retry_if_exception, stop_before_delay, wait_random_exponential
from tritonclient.grpc import service_pb2, service_pb2_grpc

from platelane.errors import DeadlineExceeded, EngineUnavailable, Fault, ModelMismatch, PlatelaneError
from platelane.runtime import metrics, tracing
from platelane.vision.model_specs import ANY, ModelSpec, Tensor
from platelane.vision.shared_inputs import SharedInputs

log = structlog.get_logger(__name__)

Images = NDArray[Any] | Sequence[bytes]
"""One array, batch first; or the bytes of each image, whose shape is in the model's specification."""

_CHECK_SECONDS: Final = 3.0
_DTYPES: Final[dict[str, type[np.generic]]] = {
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
}
_AWAY: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.CANCELLED})
"""The server is down, is starting or draining (it no longer finds its models), or has dropped the call."""

_CHANNEL: Final[list[tuple[str, str | int]]] = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.enable_http_proxy", 0),
    # A server that comes back, even at another address, is found within a second or two.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    # Detects connections whose other end has vanished.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
]


class Inference(Protocol):
    """Runs models; `InferenceClient` does it in Triton."""

    async def infer(self, spec: ModelSpec, images: Images, deadline: float) -> dict[str, NDArray[Any]]:
        """As `InferenceClient.infer`."""
        ...


class InferenceClient:
    """Runs models on Triton. Create, use and close it within one event loop; calls may run concurrently."""

    def __init__(self, url: str) -> None:
        """`url` is "host:port", whose addresses are called in turn if there are several; or "unix:" and a socket's
        path."""
        self._url = url
        target = url if url.startswith("unix:") else f"dns:///{url}"
        self._channel = grpc.aio.insecure_channel(target, options=_CHANNEL)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._shared = SharedInputs(self._stub) if url.startswith("unix:") else None
        self._batch_sizes: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def batch_sizes(self) -> dict[str, int]:
        """The models that were checked, and the largest batch that each accepts."""
        return dict(self._batch_sizes)

    async def ready(self) -> bool:
        """Whether the server and all of its models are ready."""
        try:
            return bool((await self._stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=1)).ready)
        except grpc.aio.AioRpcError:
            return False

    async def check(self, spec: ModelSpec) -> None:
        """Compares the served model's inputs and outputs with what is expected.

        Raises ModelMismatch, which names every difference, and EngineUnavailable.
        """
        request = {"name": spec.name}
        try:
            metadata = await self._stub.ModelMetadata(
                service_pb2.ModelMetadataRequest(**request), timeout=_CHECK_SECONDS
            )
            answer = await self._stub.ModelConfig(service_pb2.ModelConfigRequest(**request), timeout=_CHECK_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise EngineUnavailable(self._sentence(spec, error)) from error
        differences = [
            *_differences("input", spec.inputs, _tensors(metadata.inputs)),
            *_differences("output", spec.outputs, _tensors(metadata.outputs)),
        ]
        if differences:
            raise ModelMismatch(f"The model {spec.name} at {self._url} is not as expected: {'; '.join(differences)}.")
        self._batch_sizes[spec.name] = max(1, answer.config.max_batch_size)

    async def wait_for(self, spec: ModelSpec, timeout: float) -> None:
        """Checks as `check` does, repeatedly for up to `timeout` seconds while the server is not available."""
        await AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, EngineUnavailable)),
            wait=wait_random_exponential(multiplier=0.1, max=1),
            stop=stop_before_delay(timeout),
            reraise=True,
        )(self.check, spec)

    async def infer(self, spec: ModelSpec, images: Images, deadline: float) -> dict[str, NDArray[Any]]:
        """Runs the model on a batch of any size and returns its outputs by name, batch first, read-only.

        Batches that are too large for the served model are sent in parts. `deadline` is in Unix seconds; until then,
        calls to an unavailable server are repeated. Raises DeadlineExceeded, EngineUnavailable, ModelMismatch for
        images that the model does not accept, and Fault for a model that fails.
        """
        if spec.name not in self._batch_sizes:
            await self.check(spec)
        size = self._batch_sizes[spec.name]
        parts = [await self._run(spec, images[i : i + size], deadline) for i in range(0, len(images), size)]
        if len(parts) == 1:
            return parts[0]
        return {
            tensor.name: np.concatenate([part[tensor.name] for part in parts]) if parts else _nothing(tensor)
            for tensor in spec.outputs
        }

    async def close(self) -> None:
        """Ends calls that are under way, and the connection."""
        if self._shared:
            await self._shared.close()
        await self._channel.close(grace=None)

    async def _run(self, spec: ModelSpec, images: Images, deadline: float) -> dict[str, NDArray[Any]]:
        shape, content = _packed(spec, images)
        metrics.BATCH_SIZE.labels(spec.name).observe(len(images))
        with metrics.INFERENCE_SECONDS.labels(spec.name).time(), tracing.span(f"infer {spec.name}"):
            shared = self._shared
            answer = await self._through(shared, spec, shape, content, deadline) if shared else None
            if answer is None:
                request = _request(spec, shape)
                request.raw_input_contents.append(bytes(content))
                answer = await self._retried(spec, partial(self._call, spec, request, deadline), deadline)
        return {
            output.name: np.frombuffer(content, _DTYPES[output.datatype]).reshape(output.shape)
            for output, content in zip(answer.outputs, answer.raw_output_contents, strict=True)
        }

    async def _through(
        self, shared: SharedInputs, spec: ModelSpec, shape: list[int], content: bytes | memoryview, deadline: float
    ) -> Any:
        """The answer to one attempt with the input in shared memory. None if that is not worthwhile or fails: then the
        input has to be sent."""
        try:
            region = await shared.take(len(content), _seconds_left(spec, deadline))
        except grpc.aio.AioRpcError as error:
            if error.code() not in _AWAY | {grpc.StatusCode.DEADLINE_EXCEEDED}:
                self._do_without_memory(error)
            return None
        except OSError as error:
            self._do_without_memory(error)
            return None
        if region is None:
            return None
        region.put(content)
        request = _request(spec, shape)
        region.refer(request.inputs[0], len(content))
        try:
            answer = await self._call(spec, request, deadline)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                shared.give_back(region)
                raise _too_late(spec) from error
            await shared.discard(region)
            return None
        except BaseException:
            shared.give_back(region)
            raise
        shared.give_back(region)
        return answer

    def _do_without_memory(self, error: Exception) -> None:
        """For good: the server is in another container, or there is no room."""
        log.info("triton_without_shared_memory", error=str(error))
        self._shared = None

    async def _call(self, spec: ModelSpec, request: Any, deadline: float) -> Any:
        metadata = tuple(tracing.headers().items())
        return await self._stub.ModelInfer(request, timeout=_seconds_left(spec, deadline), metadata=metadata)

    async def _retried(self, spec: ModelSpec, call: Callable[[], Awaitable[Any]], deadline: float) -> Any:
        try:
            try:
                return await call()  # by itself, because the library's bookkeeping takes 34 us even for one attempt
            except grpc.aio.AioRpcError as error:
                if not _is_away(error):
                    raise
            return await AsyncRetrying(
                retry=retry_if_exception(_is_away),
                wait=wait_random_exponential(multiplier=0.05, max=0.5),
                stop=stop_before_delay(max(0.0, deadline - time.time())),
                reraise=True,
            )(call)
        except grpc.aio.AioRpcError as error:
            raise self._translated(spec, error) from error

    def _translated(self, spec: ModelSpec, error: grpc.aio.AioRpcError) -> PlatelaneError:
        code = error.code()
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            return _too_late(spec)
        if code in _AWAY:
            return EngineUnavailable(self._sentence(spec, error))
        if code == grpc.StatusCode.INVALID_ARGUMENT:
            return ModelMismatch(self._sentence(spec, error))
        return Fault(self._sentence(spec, error))

    def _sentence(self, spec: ModelSpec, error: grpc.aio.AioRpcError) -> str:
        return f"Triton at {self._url}, model {spec.name}: {error.code().name}, {error.details()}"


def _request(spec: ModelSpec, shape: list[int]) -> Any:
    """A request without its input."""
    tensor = spec.inputs[0]
    described = service_pb2.ModelInferRequest.InferInputTensor(name=tensor.name, datatype=tensor.dtype, shape=shape)
    return service_pb2.ModelInferRequest(model_name=spec.name, inputs=[described])


def _is_away(error: BaseException) -> bool:
    return isinstance(error, grpc.aio.AioRpcError) and error.code() in _AWAY


def _seconds_left(spec: ModelSpec, deadline: float) -> float:
    left = deadline - time.time()
    if left <= 0:
        raise _too_late(spec)
    return left


def _too_late(spec: ModelSpec) -> DeadlineExceeded:
    return DeadlineExceeded(f"The model {spec.name} did not answer in time.")


def _packed(spec: ModelSpec, images: Images) -> tuple[list[int], bytes | memoryview]:
    """Shape and bytes of a batch for the protocol."""
    if isinstance(images, np.ndarray):
        return list(images.shape), np.ascontiguousarray(images).reshape(-1).view(np.uint8).data
    shape = spec.inputs[0].shape[1:]
    odd = [len(image) for image in images if len(image) != math.prod(shape)]
    if odd:
        wanted = "x".join(map(str, shape))
        raise ModelMismatch(f"The model {spec.name} takes UINT8 images of {wanted}; one has {odd[0]} bytes.")
    return [len(images), *shape], b"".join(images)


def _nothing(tensor: Tensor) -> NDArray[Any]:
    """The output for an empty batch."""
    return np.empty((0, *(max(size, 0) for size in tensor.shape[1:])), _DTYPES[tensor.dtype])


def _tensors(served: Any) -> dict[str, Tensor]:
    return {tensor.name: Tensor(tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in served}


def _differences(kind: str, expected: Sequence[Tensor], served: dict[str, Tensor]) -> list[str]:
    """One phrase for each difference; a size of -1 on either side matches any size."""
    found = []
    for tensor in expected:
        other = served.get(tensor.name)
        if other is None:
            found.append(f"it has no {kind} {tensor.name}")
        elif (tensor.dtype, len(tensor.shape)) != (other.dtype, len(other.shape)) or any(
            ours != theirs and ANY not in (ours, theirs) for ours, theirs in zip(tensor.shape, other.shape, strict=True)
        ):
            found.append(f"{kind} {tensor.name} is {_text(other)}, expected {_text(tensor)}")
    found += [f"it has an unknown {kind} {name}" for name in served.keys() - {tensor.name for tensor in expected}]
    return found


def _text(tensor: Tensor) -> str:
    return f"{tensor.dtype} {list(tensor.shape)}"
