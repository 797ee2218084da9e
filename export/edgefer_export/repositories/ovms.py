"""OpenVINO Model Server: ``config.json`` names every model with its folder, device and plugin properties."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edgefer_export.repositories.base import Server
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.engines.openvino import CPU_DEFAULTS, DEFAULTS


class ModelServer(Server):
    """See :class:`edgefer_export.repositories.base.Server`.

    The server runs a model in the shapes that its graph declares; it gathers no requests into batches.
    """

    name = "ovms"
    title = "OpenVINO Model Server"
    targets = ("openvino",)
    models = "models"

    def configuration(self, bundles: Mapping[str, Bundle]) -> Mapping[str, str]:
        """``config.json``; paths in it are relative to where it lies."""
        models = [{"config": self._config(name, bundle)} for name, bundle in bundles.items()]
        return {"config.json": json.dumps({"model_config_list": models}, indent=2) + "\n"}

    def _config(self, name: str, bundle: Bundle) -> dict[str, Any]:
        options = dict(bundle.manifest.options)
        device = options.pop("DEVICE", "CPU")
        options = {**DEFAULTS, **(CPU_DEFAULTS if device == "CPU" else {}), **options}
        return {
            "name": name,
            "base_path": f"{self.models}/{name}",
            "target_device": device,
            "plugin_config": {key: str(value) for key, value in options.items()},
        }


SERVER = ModelServer()
