"""Accuracy of a model, a checkpoint or a bundle on a face set, and pictures that explain it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer.data.seen import Seen
from edgefer.pipeline import Report, counting, ignore
from edgefer.pipeline.explain import Pictures
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.outline import outline, require_fit
from edgefer.pipeline.requirements import require
from edgefer.pipeline.seen import seen_by_engine, seen_by_network, warned
from edgefer.pipeline.shared_classes import comparable_faces
from edgefer.pipeline.subjects import find_checkpoint, is_bundle, locate_checkpoint
from edgefer_bench.metrics import evaluate as evaluate_predictions
from edgefer_bench.scoring import in_classes_of
from edgefer_bench.scoring import predict as predict_bundle
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import UsageError

if TYPE_CHECKING:
    from edgefer.training.accelerator import Accelerator
    from edgefer.training.trained import TrainedNetwork


@dataclass(frozen=True)
class EvaluationSettings:
    """What `edgefer eval` was asked for.

    Attributes:
        subject: a model's name, a checkpoint's path or a bundle's.
        data: the face set.
        shared_classes: evaluate on the classes that network and set share.
        check_order: check on all faces, not on a few, that their order does not matter.
        accelerator: where a network computes.
        batch_size: faces it computes at once; None for what suits the device.
        pictures: what to draw, and where to.
    """

    subject: str
    data: str = "synthfer:test"
    shared_classes: bool = False
    check_order: bool = False
    accelerator: Accelerator = "auto"
    batch_size: int | None = None
    pictures: Pictures = field(default_factory=Pictures)


@dataclass(frozen=True)
class _Answers:
    """Probabilities of ``faces``, N x K, and who gave them: a network, if it was no bundle."""

    faces: FaceSet
    probabilities: NDArray[np.float32]
    parameters: int
    seen: list[Seen]
    network: TrainedNetwork | None = None
    order_check: dict[str, Any] | None = None


def evaluate(settings: EvaluationSettings, on_progress: Report = ignore) -> dict[str, Any]:
    """Evaluate a network or an engine.

    A network is asked for the same faces sorted by class, shuffled and one by one first, a few of them
    or all: one that answers differently has no accuracy.

    Returns:
        The evaluation as JSON (:class:`edgefer_bench.metrics.Evaluation`) with ``subject``, ``data``,
        ``classes``, ``left_out`` (faces of classes that are not shared), ``order_check`` (null for a
        bundle), ``seen`` (which of the faces made what is evaluated: ``role``, ``source`` and ``share``) and
        ``notice``, which says so too.

    Raises:
        UsageError, DataError: no such subject or set, classes that differ, or a picture that cannot be drawn.
        CheckError: answers depend on the order of the faces, or are no finite numbers.
        DeviceError: CUDA was asked for and is not there.
        MissingError: what the subject or a picture needs is not installed.
    """
    settings.pictures.require()
    bundle = is_bundle(Path(settings.subject))
    if bundle:
        _refuse_network_options(settings)
    _require_fit(settings, bundle=bundle)
    everything = load_faces(settings.data, on_progress)
    answer = _of_bundle if bundle else _of_network
    answers = answer(settings, everything, on_progress)
    faces = answers.faces
    evaluation = evaluate_predictions(
        answers.probabilities,
        faces.labels,
        classes=faces.classes,
        attributes=faces.attributes,
        parameters=answers.parameters,
    )
    result = {
        "subject": settings.subject,
        "data": faces.name,
        "left_out": len(everything) - len(faces),
        "order_check": answers.order_check,
        "seen": [each.to_json() for each in answers.seen],
        "notice": warned(settings.data, {settings.subject: answers.seen}),
        **evaluation.to_json(),
    }
    settings.pictures.draw(result, faces, answers.probabilities, answers.network, on_progress)
    return result


def _require_fit(settings: EvaluationSettings, *, bundle: bool) -> None:
    """Try what names mean, and whether they go together, before faces are rendered or read."""
    faces = outline(settings.data)
    if bundle:
        with Bundle.open(settings.subject) as opened:
            classes, path = opened.manifest.classes, opened.path
    else:
        card, path = locate_checkpoint(settings.subject)
        classes = card.classes
    require_fit(classes, path, faces, shared_only=settings.shared_classes)
    if not bundle:
        require("train", "opening a checkpoint")
        from edgefer.training.accelerator import choose_device

        choose_device(settings.accelerator)


def _of_bundle(settings: EvaluationSettings, faces: FaceSet, on_progress: Report) -> _Answers:
    from edgefer_runtime import Classifier

    path = Path(settings.subject)
    with Classifier.open(path) as classifier:
        faces = comparable_faces(faces, classifier.classes, path, shared_only=settings.shared_classes)
        advance = counting(on_progress, "accuracy", len(faces))
        probabilities = predict_bundle(classifier, faces, advance, restricted=settings.shared_classes)
        bundle = classifier.bundle
        return _Answers(faces, probabilities, bundle.manifest.parameters, seen_by_engine(bundle, faces))


def _of_network(settings: EvaluationSettings, faces: FaceSet, on_progress: Report) -> _Answers:
    checkpoint, path = find_checkpoint(settings.subject)
    from edgefer.models import count, get
    from edgefer.training.accelerator import choose_device
    from edgefer.training.order import check_order
    from edgefer.training.trained import TrainedNetwork

    classes = checkpoint.classes
    faces = comparable_faces(faces, classes, path, shared_only=settings.shared_classes)
    network = TrainedNetwork(checkpoint, choose_device(settings.accelerator), settings.batch_size)
    order_check = check_order(
        lambda chosen, batch_size: network.predict(faces.images, chosen, batch_size=batch_size),
        faces.labels,
        f"{checkpoint.model} ({checkpoint.variant}) at {path}",
        everything=settings.check_order,
    )
    advance = counting(on_progress, "accuracy", len(faces))
    probabilities = network.predict(faces.images, np.arange(len(faces)), on_chunk=advance)
    return _Answers(
        faces,
        in_classes_of(probabilities, classes, faces.classes),
        count(get(checkpoint.model), checkpoint.variant, len(classes)),
        seen_by_network(checkpoint, faces),
        network,
        asdict(order_check),
    )


def _refuse_network_options(settings: EvaluationSettings) -> None:
    asked = {
        "--cam": settings.pictures.cam,
        "--embedding": settings.pictures.embedding,
        "--check-order": settings.check_order,
        "--batch-size": settings.batch_size,
        "--accelerator": settings.accelerator != "auto",
    }
    if refused := [option for option, value in asked.items() if value]:
        raise UsageError(
            f"{settings.subject} is a bundle: an engine runs as built, and shows nothing of its inside",
            expected=f"a model or a checkpoint with {', '.join(refused)}",
            action="name the checkpoint that the bundle was exported from, or leave these options out",
        )
