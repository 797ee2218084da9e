"""Olive's pass OnnxStaticQuantization, every option at its default."""

import os
from pathlib import Path
from typing import Any

from contract import INPUT, ONNX_MODEL, Given, enter

os.environ["OLIVE_DISABLE_TELEMETRY"] = "1"


def _quantize(given: Given, out: Path) -> dict[str, Any]:
    import torch
    from olive.data.config import DataComponentConfig, DataConfig
    from olive.data.registry import Registry
    from olive.model import ONNXModelHandler
    from olive.passes.olive_pass import create_pass_from_dict
    from olive.passes.onnx.quantization import OnnxStaticQuantization

    class Faces(torch.utils.data.Dataset):
        def __len__(self):
            return len(given.calibration)

        def __getitem__(self, index):
            return {INPUT: torch.from_numpy(given.prepare(given.calibration[index])[0])}, 0

    Registry.register_dataset("faces")(lambda **options: Faces())
    data = DataConfig(name="faces", load_dataset_config=DataComponentConfig(type="faces"))
    step = create_pass_from_dict(OnnxStaticQuantization, {"data_config": data}, disable_search=True)
    step.run(ONNXModelHandler(str(given.network)), str(out / ONNX_MODEL))
    return {}


enter(_quantize, "olive-ai", "onnxruntime", "onnx")
