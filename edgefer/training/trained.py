"""A checkpoint's network, ready to answer for faces on a device."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from edgefer.models import get
from edgefer.training.checkpoint import Checkpoint
from edgefer.training.exhaustion import memory_told
from edgefer.training.explain.cam import grad_cam
from edgefer.training.explain.features import extract_features
from edgefer.training.memory import keep_memory
from edgefer.training.predict import predict
from edgefer_runtime.images import Images

CHUNK = 128
"""Faces read at once, and between two reports of progress."""


class TrainedNetwork:
    """What a checkpoint's network says of faces, and why.

    Faces are chosen by their indices, in any order, so that images in a file are read a few at a time.

    Attributes:
        checkpoint: where weights, classes and input contract come from.

    Args:
        checkpoint: the weights.
        device: where to compute.
        batch_size: faces computed at once; None for what suits the device.

    Raises:
        DataError: the weights are not the architecture's.
    """

    def __init__(
        self, checkpoint: Checkpoint, device: torch.device | str = "cpu", batch_size: int | None = None
    ) -> None:
        keep_memory(device)
        self.checkpoint = checkpoint
        self._spec = get(checkpoint.model)
        self._network = checkpoint.network().to(device)
        self._anatomy = self._spec.anatomy(self._network)
        self._device, self._batch_size = device, batch_size

    def predict(
        self,
        images: Images,
        chosen: NDArray[np.integer],
        *,
        batch_size: int | None = None,
        on_chunk: Callable[[int], None] = lambda count: None,
    ) -> NDArray[np.float32]:
        """Probabilities of the images ``chosen``: M x K, columns as the checkpoint's classes.

        Args:
            images: uint8, N x H x W x 3, RGB.
            chosen: M indices; the answers come in their order.
            batch_size: faces computed at once, if others than the network was opened with.
            on_chunk: told how many faces were done, each time.

        Raises:
            DeviceError: memory ran out.
        """
        parts, at_once = [], batch_size or self._batch_size
        told = f"with {at_once} faces at once" if at_once else "while faces were evaluated"
        for start in range(0, len(chosen), CHUNK):
            with memory_told(told, f"ask for fewer at once: --batch-size {max(1, (at_once or 8) // 2)}"):
                parts.append(
                    predict(
                        self._network,
                        self.checkpoint.contract,
                        images[chosen[start : start + CHUNK]],
                        batch_size=at_once,
                        device=self._device,
                        output=self._spec.output,
                    )
                )
            on_chunk(len(parts[-1]))
        return np.concatenate(parts)

    def heat_maps(
        self, images: Images, chosen: NDArray[np.integer], targets: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Grad-CAM of the images ``chosen``, each for its target: M x H x W (:func:`grad_cam`)."""
        return grad_cam(
            self._network,
            self._anatomy,
            self.checkpoint.contract,
            images[chosen],
            targets,
            device=self._device,
            output=self._spec.output,
        )

    def features(
        self,
        images: Images,
        chosen: NDArray[np.integer],
        on_chunk: Callable[[int], None] = lambda count: None,
    ) -> NDArray[np.float32]:
        """What decides about the images ``chosen``: M x D (:func:`extract_features`)."""
        parts = []
        for start in range(0, len(chosen), CHUNK):
            parts.append(
                extract_features(
                    self._network,
                    self._anatomy,
                    self.checkpoint.contract,
                    images[chosen[start : start + CHUNK]],
                    batch_size=self._batch_size,
                    device=self._device,
                )
            )
            on_chunk(len(parts[-1]))
        return np.concatenate(parts)
