"""What the server tells of itself: the protocol's objects, sent as JSON by HTTP, as messages by gRPC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import edgefer_runtime
from edgefer_runtime.batching import LARGEST_BATCH
from edgefer_runtime.contract import INPUT, OUTPUT
from edgefer_runtime.serving.models import Repository, ServedModel
from edgefer_runtime.serving.statistics import Duration
from edgefer_runtime.serving.tensors import DATATYPE, SHAPE

EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics")
PLATFORMS = {
    "onnxruntime": "onnxruntime_onnx",
    "openvino": "openvino",
    "tensorrt": "tensorrt_plan",
    "tensorrt-rtx": "tensorrt_plan",
}
"""Triton's words for what runs an engine."""


def server_metadata() -> dict[str, Any]:
    """Name, version and extensions of the server."""
    return {
        "name": "edgefer",
        "version": edgefer_runtime.__version__,
        "extensions": [*EXTENSIONS],
    }


def model_metadata(model: ServedModel, versions: Iterable[str]) -> dict[str, Any]:
    """Inputs and outputs of a model; ``versions`` are all that the server has of it."""
    manifest = model.loaded.manifest
    return {
        "name": model.name,
        "versions": [*versions],
        "platform": PLATFORMS[manifest.target],
        "inputs": [{"name": INPUT, "datatype": DATATYPE, "shape": [*SHAPE]}],
        "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, len(manifest.classes)]}],
    }


def model_config(model: ServedModel) -> dict[str, Any]:
    """A model's configuration in Triton's terms.

    ``max_batch_size`` is 0, as the shapes have their batch axis: a client may send any number of faces.
    """
    loaded = model.loaded
    classes = len(loaded.manifest.classes)
    config: dict[str, Any] = {
        "name": model.name,
        "platform": PLATFORMS[loaded.manifest.target],
        "backend": loaded.manifest.target,
        "max_batch_size": 0,
        "input": [{"name": INPUT, "data_type": f"TYPE_{DATATYPE}", "dims": [*SHAPE]}],
        "output": [{"name": OUTPUT, "data_type": "TYPE_FP32", "dims": [-1, classes]}],
        "instance_group": [{"name": model.name, "count": len(loaded.engines), "kind": "KIND_AUTO"}],
    }
    if loaded.mixes:
        config["dynamic_batching"] = {"preferred_batch_size": [LARGEST_BATCH]}
    return config


def statistics(models: Iterable[ServedModel]) -> dict[str, Any]:
    """What every model has done since the server started; times in nanoseconds."""
    return {"model_stats": [_model_statistics(model) for model in models]}


def _model_statistics(model: ServedModel) -> dict[str, Any]:
    counted = model.statistics
    return {
        "name": model.name,
        "version": model.version,
        "last_inference": counted.last_inference_ms,
        "inference_count": counted.faces,
        "execution_count": counted.executions,
        "inference_stats": {
            "success": _duration(counted.success),
            "fail": _duration(counted.fail),
            "queue": _duration(counted.queue),
            "compute_input": _duration(Duration()),
            "compute_infer": _duration(counted.infer),
            "compute_output": _duration(Duration()),
            "cache_hit": _duration(Duration()),
            "cache_miss": _duration(Duration()),
        },
        "batch_stats": [
            {
                "batch_size": faces,
                "compute_input": _duration(Duration()),
                "compute_infer": _duration(duration),
                "compute_output": _duration(Duration()),
            }
            for faces, duration in sorted(counted.calls.items())
        ],
    }


def _duration(duration: Duration) -> dict[str, int]:
    return {"count": duration.count, "ns": duration.ns}


def repository_index(repository: Repository) -> list[dict[str, str]]:
    """Every version of every model; those that do not open are never in a repository."""
    return [
        {"name": model.name, "version": model.version, "state": "READY", "reason": ""} for model in repository
    ]


def described(model: ServedModel) -> dict[str, Any]:
    """A model for people and pages: what it is, what runs it, how good it was when it was exported."""
    manifest, engines = model.loaded.manifest, model.loaded.engines
    return {
        "name": model.name,
        "version": model.version,
        "model": manifest.model,
        "variant": manifest.variant,
        "target": manifest.target,
        "precision": manifest.precision,
        "classes": [*manifest.classes],
        "provider": engines[0].engine.provider,
        "engines": len(engines),
        "threads": engines[0].engine.threads,
        "size_bytes": manifest.size_bytes,
        "accuracy": manifest.accuracy,
        "licence": manifest.licence,
        "notice": _notice(manifest.provenance),
    }


def _notice(provenance: Mapping[str, Any]) -> str:
    """What is to be known about weights, or else data, before their numbers are believed."""
    weights = provenance.get("weights")
    told = weights.get("notice") if isinstance(weights, Mapping) else None
    return str(told or provenance.get("notice", ""))
