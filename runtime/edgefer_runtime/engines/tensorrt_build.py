"""One builder over TensorRT (8.6 to 11) and TensorRT-RTX: an ONNX file becomes a plan.

Precision lives in the ONNX: a float32 convolution stays one, and INT8 is where the graph has Q/DQ pairs.
What a library offers is asked of it (``hasattr``) and never concluded from its version.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgefer_runtime.engines import cuda
from edgefer_runtime.engines.libraries import raise_interrupt
from edgefer_runtime.engines.tensorrt_plan import PlanFacts
from edgefer_runtime.environment import LIBRARIES
from edgefer_runtime.errors import CheckError, MissingError, UsageError
from edgefer_runtime.files import write_whole

MODULES = {target: LIBRARIES[target] for target in ("tensorrt", "tensorrt-rtx")}
"""Target -> names of its library's module; the wheels of TensorRT-RTX have the first of two."""

INSTALL = {
    "tensorrt": 'pip install "edgefer[tensorrt]", or on a Jetson: apt-get install python3-libnvinfer',
    "tensorrt-rtx": 'pip install "edgefer[tensorrt-rtx]"',
}

PROFILE = (1, 4, 16)
"""Smallest, tuned-for and largest batch of a plan whose batch is dynamic."""

Report = Callable[[str, int, int], None]
"""Called with a phase, the steps done and the steps in all."""


def installed(target: str) -> bool:
    """Whether the library of ``target`` is there; imports nothing."""
    return any(find_spec(module) is not None for module in MODULES[target])


def load_library(target: str) -> Any:
    """The module of ``target``'s library.

    Raises:
        MissingError: it is not installed, or lacks a shared library.
    """
    module = next(filter(find_spec, MODULES[target]), MODULES[target][0])
    try:
        return import_module(module)
    except (ImportError, OSError) as error:
        raise_interrupt(error)
        raise MissingError(
            f"the library of the target {target!r} cannot be imported ({error})",
            expected=f"the module {MODULES[target][0]}",
            action=INSTALL[target],
        ) from error


@dataclass(frozen=True)
class Parsed:
    """An ONNX graph as a library's parser took it.

    Attributes:
        builder, network, parser: the library's objects; a network needs both others.
        refusals: what the parser refused, by the names of the nodes; empty when it took the whole graph.
        complaints: errors the library has logged; building adds to them.
    """

    builder: Any
    network: Any
    parser: Any
    refusals: tuple[str, ...]
    complaints: list[str]


def parse(library: Any, onnx: bytes) -> Parsed:
    """Hand an ONNX graph to the library's own parser."""
    complaints: list[str] = []
    log = logger(library, complaints)
    builder = library.Builder(log)
    flags = library.NetworkDefinitionCreationFlag
    wanted = [getattr(flags, name) for name in ("EXPLICIT_BATCH", "STRONGLY_TYPED") if hasattr(flags, name)]
    network = builder.create_network(sum(1 << int(flag) for flag in wanted))
    parser = library.OnnxParser(network, log)
    taken = parser.parse(onnx)
    refusals = () if taken else tuple(_refusal(parser.get_error(i)) for i in range(parser.num_errors))
    return Parsed(builder, network, parser, refusals, complaints)


def build_plan(
    target: str,
    onnx: Path,
    out: Path,
    *,
    compute_capability: str | None = None,
    profile: tuple[int, int, int] = PROFILE,
    timing_cache: Path | None = None,
    on_progress: Report | None = None,
) -> PlanFacts:
    """Build the plan of ``onnx`` and write it to ``out``.

    TF32, which these libraries use for float32 unless told otherwise, is off: it keeps 10 of 23 bits.

    Args:
        target: ``"tensorrt"``, which needs a GPU, or ``"tensorrt-rtx"``, which needs none.
        onnx: a graph of one input, static but for the batch.
        out: the file to write; it appears whole or not at all.
        compute_capability: of the GPU to build for, e.g. ``"8.6"``; TensorRT-RTX only. None builds for the
            GPU that is here, or TensorRT-RTX's portable plan.
        profile: smallest, tuned-for and largest batch; for a dynamic batch.
        timing_cache: timings of kernels, read if the file is there and written again; TensorRT only.
        on_progress: told where the build is, if the library tells.

    Raises:
        MissingError: the library is not installed.
        UsageError: it has no such compute capability, or no timing cache.
        DeviceError: TensorRT without a GPU.
        CheckError: it refuses the graph; the message names the modules.
    """
    library = load_library(target)
    rtx = target == "tensorrt-rtx"
    if rtx and timing_cache is not None:
        raise UsageError("a timing cache for TensorRT-RTX", expected="none: it times kernels when it runs")
    gpu = compute_capability if rtx else cuda.require().compute_capability
    if not rtx and compute_capability not in (None, gpu):
        raise UsageError(
            f"TensorRT for compute capability {compute_capability} on a GPU of {gpu}",
            expected="the GPU that is here",
            action="build on the machine that has the other GPU",
        )
    content = onnx.read_bytes()
    parsed = parse(library, content)
    if parsed.refusals:
        raise _refused(target, library, parsed.refusals)
    config = parsed.builder.create_builder_config()
    if rtx and gpu is not None:
        _aim(library, config, gpu)
    flags = _set_flags(library, config, parsed.network)
    batches = _add_profile(parsed, config, profile)
    monitor = _monitor(library, on_progress) if on_progress and hasattr(library, "IProgressMonitor") else None
    if monitor is not None:
        config.progress_monitor = monitor
    cache = None
    if timing_cache is not None and hasattr(config, "create_timing_cache"):
        cache = config.create_timing_cache(timing_cache.read_bytes() if timing_cache.exists() else b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    plan = parsed.builder.build_serialized_network(parsed.network, config)
    if plan is None:
        raise _refused(target, library, parsed.complaints)
    write_whole(out, plan)
    if cache is not None and timing_cache is not None:
        write_whole(timing_cache, cache.serialize())
    return PlanFacts(
        library=target,
        version=library.__version__,
        machine=platform.machine(),
        compute_capability=gpu,
        plan_sha256=hashlib.sha256(plan).hexdigest(),
        onnx_sha256=hashlib.sha256(content).hexdigest(),
        flags=flags,
        profile=batches,
    )


def logger(library: Any, complaints: list[str]) -> Any:
    """A logger that keeps errors for our own message and drops the rest."""

    class Logger(library.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            library.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (library.ILogger.ERROR, library.ILogger.INTERNAL_ERROR):
                complaints.append(message)

    return Logger()


def _monitor(library: Any, on_progress: Report) -> Any:
    """Tells of the outermost phase, whose steps the library counts."""

    class Monitor(library.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            library.IProgressMonitor.__init__(self)
            self.outermost, self.steps = "", 0

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            if parent is None:
                self.outermost, self.steps = name, steps
                on_progress(name, 0, steps)

        def step_complete(self, name: str, step: int) -> bool:
            if name == self.outermost and step + 1 < self.steps:
                on_progress(name, step + 1, self.steps)
            return True

        def phase_finish(self, name: str) -> None:
            # The library does not count the last step.
            if name == self.outermost:
                on_progress(name, self.steps, self.steps)

    return Monitor()


def _refusal(error: Any) -> str:
    # TensorRT 8.6 tells a node's number only.
    node = error.node_name() if hasattr(error, "node_name") else f"node {error.node()}"
    return f"{node}: {error.desc().strip().splitlines()[0]}"


def _refused(target: str, library: Any, reasons: tuple[str, ...] | list[str]) -> CheckError:
    return CheckError(
        f"{target} {library.__version__} refuses the graph: {'; '.join(reasons) or 'it does not say why'}",
        expected="operators and types that its builder has; names are those of the network's modules",
        action="mend the module named above, or leave this target or precision out",
    )


def _aim(library: Any, config: Any, compute_capability: str) -> None:
    name = "SM" + compute_capability.replace(".", "")
    known = {key for key in library.ComputeCapability.__members__ if key[2:].isdigit()}
    if name not in known:
        shown = ", ".join(sorted((f"{key[2:-1]}.{key[-1]}" for key in known), key=float))
        raise UsageError(
            f"compute capability {compute_capability}",
            expected=f"one that TensorRT-RTX builds for: {shown}",
            action="for any other GPU, a Jetson's too, export with --target tensorrt and build there",
        )
    config.num_compute_capabilities = 1
    config.set_compute_capability(library.ComputeCapability.__members__[name], 0)


def _set_flags(library: Any, config: Any, network: Any) -> tuple[str, ...]:
    """Set what the graph's types need; return the names of all flags that are set."""
    flags = library.BuilderFlag
    config.clear_flag(flags.TF32)
    if not hasattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
        for name in _allow_types(library, network):
            config.set_flag(getattr(flags, name))
    return tuple(sorted(name for name, flag in flags.__members__.items() if config.get_flag(flag)))


def _allow_types(library: Any, network: Any) -> list[str]:
    """Flags with which TensorRT 8.6, which takes no graph at its word, computes in the types of this one."""
    layers = list(map(network.get_layer, range(network.num_layers)))
    allowed = ["INT8"] if any(layer.type == library.LayerType.QUANTIZE for layer in layers) else []
    if any(layer.get_output_type(0) == library.float16 for layer in layers):
        allowed += ["FP16", "PREFER_PRECISION_CONSTRAINTS"]
        # Where float16 is allowed at all, float32 layers have to be held to their type.
        for layer in layers:
            if layer.get_output_type(0) == library.float32 and layer.type.name not in ("CONSTANT", "CAST"):
                layer.precision = library.float32
    return allowed


def _add_profile(parsed: Parsed, config: Any, batches: tuple[int, int, int]) -> tuple[int, int, int] | None:
    (argument,) = _inputs(parsed.network)
    if argument.shape[0] != -1:
        return None
    profile = parsed.builder.create_optimization_profile()
    profile.set_shape(argument.name, *((batch, *tuple(argument.shape)[1:]) for batch in batches))
    config.add_optimization_profile(profile)
    return batches


def _inputs(network: Any) -> Iterator[Any]:
    return map(network.get_input, range(network.num_inputs))
