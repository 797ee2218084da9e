"""Tensors from a weights file, whatever it is: torch, safetensors or Keras' HDF5. No code in it is run."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from edgefer.training.checkpoint import require_finite
from edgefer_runtime.errors import DataError, MissingError

HDF5 = b"\x89HDF\r\n\x1a\n"
"""How an HDF5 file begins."""

KERAS_LAYER = re.compile(r"conv1(_bn)?|conv_(dw|pw)_\d+(_bn)?")
"""Names that Keras gives to MobileNet's layers."""

KERAS_VARIABLES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""What torch calls Keras' variables."""

KERAS_LAYOUTS = {"kernel": (3, 2, 0, 1), "depthwise_kernel": (2, 3, 0, 1)}
"""Axes of 4-d kernels in torch's order: H x W x in x out, and H x W x C x 1 of depthwise ones."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file by name; those of Keras' layers named and laid out as torch does it.

    What the file is, its content decides. A torch file may be a state dict or a training
    checkpoint that holds one; of several, the one with the most tensors is meant.

    Raises:
        DataError: the file is missing or damaged, holds no tensors, objects other than tensors, or numbers
            that are not finite.
        MissingError: it is an HDF5 file, and h5py is not installed.
    """
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror})", expected="a file with a backbone's weights"
        ) from error
    if head.startswith(HDF5):
        tensors = _read_keras(path)
    elif path.suffix == ".safetensors" or head[8:] == b"{":
        tensors = _read_safetensors(path)
    else:
        tensors = _read_torch(path)
    if not tensors:
        raise DataError(f"{path} holds no tensors by name", expected="a state dict")
    require_finite(tensors, str(path))
    return tensors


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, "cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        if wanted is None:
            raise _damaged(path, "neither torch, nor safetensors, nor HDF5") from error
        raise DataError(
            f"{path} holds more than tensors: reading it would run code, {wanted[1]} for one",
            expected="a state dict of tensors",
            action="if you trust its source, load it there and write torch.save(model.state_dict(), ...)",
        ) from error
    except (RuntimeError, EOFError, ValueError, LookupError, OSError, AttributeError, TypeError) as error:
        raise _damaged(path, error) from error
    return max(_state_dicts(content), key=len, default={})


def _state_dicts(content: Any) -> Iterator[dict[str, Tensor]]:
    if isinstance(content, Mapping):
        yield {
            name: value
            for name, value in content.items()
            if isinstance(name, str) and isinstance(value, Tensor)
        }
        for value in content.values():
            yield from _state_dicts(value)


def _read_keras(path: Path) -> dict[str, Tensor]:
    if find_spec("h5py") is None:
        raise MissingError(
            f"{path} is an HDF5 file, and h5py is not installed here",
            expected="the extra [keras]",
            action='pip install "edgefer[keras]"',
        )
    import h5py  # type: ignore[import-untyped]

    tensors: dict[str, Tensor] = {}

    def take(name: str, item: object) -> None:
        if not isinstance(item, h5py.Dataset) or item.dtype.kind != "f":
            return
        if item.external or item.is_virtual:
            raise DataError(f"{path}: {name} lies in another file", expected="weights in the file itself")
        *groups, variable = name.removesuffix(":0").split("/")
        layer = next(
            (group for group in groups if KERAS_LAYER.fullmatch(group)), "/".join(dict.fromkeys(groups))
        )
        tensor = torch.from_numpy(np.asarray(item, np.float32))
        if tensor.ndim == 4 and variable in KERAS_LAYOUTS:
            tensor = tensor.permute(KERAS_LAYOUTS[variable])
        tensors[f"{layer}.{KERAS_VARIABLES.get(variable, variable)}"] = tensor

    try:
        with h5py.File(path, "r") as file:
            file.get("model_weights", file).visititems(take)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise _damaged(path, error) from error
    return tensors


def _damaged(path: Path, reason: Exception | str) -> DataError:
    reason = str(reason).partition("\n")[0] or type(reason).__name__
    return DataError(
        f"{path} cannot be read as a weights file ({reason})",
        expected="a torch state dict (.pth), a .safetensors or a Keras .h5 file",
        action="fetch the file again, or save the weights in one of these forms",
    )
