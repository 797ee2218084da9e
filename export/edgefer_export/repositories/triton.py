"""Triton Inference Server: a folder a model, with its ``config.pbtxt`` (Triton's message ModelConfig)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgefer_export.repositories.base import LABELS, Server
from edgefer_runtime.batching import LARGEST_BATCH, batches_mix
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.contract import INPUT, OUTPUT
from edgefer_runtime.engines.openvino import CPU_DEFAULTS, DEFAULTS
from edgefer_runtime.engines.tensorrt import PREPROCESSING
from edgefer_runtime.engines.tensorrt_plan import PLAN
from edgefer_runtime.manifest import Manifest


class Triton(Server):
    """See :class:`edgefer_export.repositories.base.Server`.

    Triton adds an axis for the batch to the shapes of a model whose ``max_batch_size`` is positive, and only
    then puts requests of several clients into one batch. That is asked for when the engine takes any number
    of faces and its certificate shows that no face sees the others; else the shapes are the graph's own.
    """

    name = "triton"
    title = "Triton Inference Server"
    targets = ("onnxruntime", "openvino", "tensorrt")

    def refusal(self, bundle: Bundle) -> str | None:
        """A TensorRT bundle that was exported without a GPU has no plan yet."""
        if bundle.manifest.target == "tensorrt" and bundle.manifest.entry != PLAN:
            return "it has no plan yet; export on the machine whose GPU serves it"
        return None

    def caution(self, bundle: Bundle) -> str | None:
        """The OpenVINO backend can be told to compute in bfloat16, and not to compute in float32."""
        if bundle.manifest.target == "openvino" and bundle.manifest.precision != "bf16":
            return (
                "Triton's OpenVINO backend cannot be told to compute in float32, and on a CPU with bfloat16 "
                "may not; there serve it with --format ovms"
            )
        return None

    def files(self, bundle: Bundle) -> Mapping[str, str]:
        """Of a TensorRT bundle the plan alone; Triton looks for ``model.plan``."""
        return {"model.plan": PLAN} if bundle.manifest.target == "tensorrt" else super().files(bundle)

    def configuration(self, bundles: Mapping[str, Bundle]) -> Mapping[str, str]:
        """``config.pbtxt`` of each model."""
        return {f"{name}/config.pbtxt": _config(name, bundle) for name, bundle in bundles.items()}


def _config(name: str, bundle: Bundle) -> str:
    manifest, mixed = bundle.manifest, batches_mix(bundle)
    batch = [] if mixed else [manifest.batch or -1]
    kind, face = _face(manifest)
    answer = [*batch, len(manifest.classes)]
    blocks = [
        f'name: "{name}"',
        f'backend: "{manifest.target}"',
        f"max_batch_size: {LARGEST_BATCH if mixed else 0}",
        _tensor("input", INPUT, kind, [*batch, *face]),
        _tensor("output", OUTPUT, "TYPE_FP32", answer, f'label_filename: "{LABELS}"'),
        f"instance_group [ {{ count: 1, kind: {_device(manifest)} }} ]",
        *(["dynamic_batching { }"] if mixed else []),
        *(
            f'parameters {{ key: "{key}", value {{ string_value: "{value}" }} }}'
            for key, value in _parameters(manifest).items()
        ),
    ]
    return "\n".join(blocks) + "\n"


def _face(manifest: Manifest) -> tuple[str, list[int]]:
    """Type and shape of one face as the engine takes it: a crop of any size, or one that is prepared."""
    if {**manifest.options, **PREPROCESSING} == manifest.options:
        return "TYPE_FP32", [manifest.input.channels, manifest.input.height, manifest.input.width]
    return "TYPE_UINT8", [-1, -1, 3]


def _device(manifest: Manifest) -> str:
    on_cpu = str(manifest.options.get("provider", "CPU")).startswith("CPU") and manifest.target != "tensorrt"
    return "KIND_CPU" if on_cpu else "KIND_GPU"


def _parameters(manifest: Manifest) -> Mapping[str, Any]:
    if manifest.target != "openvino":
        return {}
    precision = {"HINT_BF16": "YES"} if manifest.precision == "bf16" else {}
    return {**DEFAULTS, **CPU_DEFAULTS, **precision}


def _tensor(role: str, name: str, kind: str, dims: list[int], *more: str) -> str:
    fields = [f'name: "{name}"', f"data_type: {kind}", f"dims: {dims}", *more]
    return f"{role} [\n  {{\n" + "".join(f"    {field}\n" for field in fields) + "  }\n]"


SERVER = Triton()
