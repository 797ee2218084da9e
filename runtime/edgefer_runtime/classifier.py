"""Labels for face crops: what a robot's program calls."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.closing import Closing
from edgefer_runtime.engines import Engine, open_engine
from edgefer_runtime.images import check_crop, check_images


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The answer for one face.

    Attributes:
        label: the most probable class.
        probabilities: float32, K, in the order of ``classes``.
        classes: all K class names.
    """

    label: str
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]

    @property
    def confidence(self) -> float:
        """Probability of ``label``."""
        return float(self.probabilities.max())


class Classifier(Closing):
    """An opened bundle that labels face crops; may be called from many threads.

    A context manager: leaving it closes the bundle it opened.
    """

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        self.bundle, self.engine = bundle, engine
        self.classes = bundle.manifest.classes

    @classmethod
    def open(
        cls,
        bundle: str | Path | Bundle,
        *,
        threads: int | None = None,
        size: tuple[int, int] | None = None,
        device: str | None = None,
        cache: Path | None = None,
        allow_fallback: bool = False,
    ) -> Classifier:
        """Open a bundle's folder, its ``.edgefer`` file, an installed model, or an open bundle.

        Args:
            bundle: where the bundle is, or an installed model's name, ``"pattlite-int8"``; what exists under
                that path wins. It is verified before an engine's library reads it.
            threads, size, device, cache, allow_fallback: as :func:`edgefer_runtime.engines.open_engine` takes
                them.

        Raises:
            DataError: no bundle, or a damaged one.
            MissingError: the engine's library is not installed.
            DeviceError: the device asked for is not here.
            UsageError: the engine's library has no device of that name; several models have that name.
        """
        opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        try:
            engine = open_engine(
                opened,
                threads=threads,
                size=size,
                device=device,
                cache=cache,
                allow_fallback=allow_fallback,
            )
            return cls(opened, engine)
        except BaseException:
            if opened is not bundle:
                opened.close()
            raise

    def __call__(self, crop: NDArray[np.uint8]) -> Prediction:
        """Label one face crop: uint8, H x W x 3, RGB, of any size, or of the one it was opened for.

        Raises:
            DataError: another type, shape or size; the message says what to do.
        """
        probabilities = self.predict(check_crop(crop))[0]
        return Prediction(self.classes[int(probabilities.argmax())], probabilities, self.classes)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities of many crops of one size.

        Args:
            images: uint8, N x H x W x 3, RGB.

        Returns:
            float32, N x K. An engine of static batch size is called as often as needed, the last call
            filled up with repetitions of the last image.

        Raises:
            DataError: another type or shape.
        """
        images, size = check_images(images), self.engine.batch
        if size is None or len(images) == size:
            return self.engine.run(images)
        chunks = [images[start : start + size] for start in range(0, len(images), size)]
        if short := size - len(chunks[-1]):
            chunks[-1] = np.concatenate([chunks[-1], np.repeat(images[-1:], short, axis=0)])
        return np.concatenate([self.engine.run(chunk) for chunk in chunks])[: len(images)]

    def close(self) -> None:
        """Remove what opening the bundle left on disk, if anything; the engine goes with this object."""
        self.bundle.close()
