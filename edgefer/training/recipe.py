"""Recipes: every number of a training, read from TOML.

A recipe is a table of ``edgefer/recipes/MODEL.toml`` (or of a file of one's own). Its keys are those of
:class:`Stage` and stand for all stages; each stage says what it does otherwise:

    [synthfer]                      what all stages share
    size = 96
    [synthfer.schedule]             tables within, such as Schedule, likewise
    kind = "cosine"
    [[synthfer.stages]]             one table a stage
    epochs = 5
    schedule.final_learning_rate = 1e-5

Beside them, ``pretrained`` belongs to the recipe as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from edgefer_runtime.documents import read_toml
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.tables import Within, check_table, read_table

RECIPES = Path(__file__).parent.parent / "recipes"

Share: TypeAlias = Annotated[float, Within(0, 1)]
Count: TypeAlias = Annotated[int, Within(1)]
Several: TypeAlias = Annotated[int, Within(2)]
CountOrNone: TypeAlias = Annotated[int, Within(0)]
Positive: TypeAlias = Annotated[float, Within(0, above=True)]
NotNegative: TypeAlias = Annotated[float, Within(0)]
Decay: TypeAlias = Annotated[float, Within(0, 0.999999)]
Monitor: TypeAlias = Literal["validation_accuracy", "validation_loss", "accuracy", "loss"]
"""What is watched from epoch to epoch: a column of the training's log."""


@dataclass(frozen=True)
class Augmentation:
    """How faces are varied in training; zero switches a part off.

    Attributes:
        flip: probability of mirroring.
        rotation_degrees: rotation is uniform within plus or minus this.
        scale: zoom is uniform within 1 plus or minus this, or within ``[from, to]``.
        translation: shift is uniform within plus or minus this share of the side.
        brightness: factor on all pixels, uniform within 1 plus or minus this.
        contrast: factor on the distance to the image's mean, uniform within 1 plus or minus this.
        tint: factor on each colour channel, uniform within 1 plus or minus this.
        gray: probability of losing colour.
        blur: probability of a 3 x 3 binomial blur.
        noise: standard deviation of Gaussian noise, uniform between 0 and this, in grey levels.
        erasing: probability of a rectangle of one random colour.
        erasing_side: the rectangle's sides are uniform between 0.1 and this share of the image's.
    """

    flip: Share = 0.0
    rotation_degrees: NotNegative = 0.0
    scale: Annotated[float, Within(0, 0.9)] | tuple[Positive, Positive] = 0.0
    translation: Share = 0.0
    brightness: Share = 0.0
    contrast: Share = 0.0
    tint: Share = 0.0
    gray: Share = 0.0
    blur: Share = 0.0
    noise: NotNegative = 0.0
    erasing: Share = 0.0
    erasing_side: Annotated[float, Within(0.1, 1)] = 0.5

    @property
    def zoom(self) -> tuple[float, float]:
        """Least and greatest zoom."""
        return self.scale if isinstance(self.scale, tuple) else (1 - self.scale, 1 + self.scale)

    def scaled(self, strength: float) -> Augmentation:
        """The same with every range and probability times ``strength``, but for mirroring."""
        values = asdict(self)
        for name in values.keys() - {"flip", "erasing_side"}:
            value = values[name]
            values[name] = (
                tuple(1 + (end - 1) * strength for end in value)
                if isinstance(value, tuple)
                else value * strength
            )
        return Augmentation(**values)


@dataclass(frozen=True)
class Optimizer:
    """How gradients become steps.

    Attributes:
        kind: ``adam`` adds weight decay to the gradients, ``adamw`` takes it off the weights.
        momentum, nesterov: of SGD.
        betas, epsilon: of the Adams.
        weight_decay: on kernels and matrices; never on biases and normalisations.
    """

    kind: Literal["adam", "adamw", "sgd"] = "adam"
    momentum: Share = 0.9
    nesterov: bool = False
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    epsilon: Positive = 1e-8
    weight_decay: NotNegative = 0.0

    def __post_init__(self) -> None:
        if self.nesterov and not self.momentum:
            raise DataError("nesterov = true without momentum", expected="a momentum above 0")


@dataclass(frozen=True)
class Schedule:
    """What becomes of the learning rate within a stage.

    Attributes:
        kind: what the learning rate does. ``cosine`` changes it step by step, the others after an epoch:

            constant     nothing
            cosine       falls to ``final_learning_rate`` by half a cosine
            exponential  times ``factor`` each epoch
            step         times ``factor`` every ``every_epochs``
            inverse      divided by 1 + epoch / ``every_epochs``
            plateau      times ``factor`` after ``patience`` epochs without a better ``monitor``

        final_learning_rate: at the end of a cosine.
        factor: what a drop multiplies by.
        every_epochs: length of a step, and the time in which an inverse schedule halves the rate.
        patience: epochs without a better one before a plateau's drop.
        min_delta: by how much an epoch on a plateau has to be better.
        minimum: no drop leads below this learning rate.
        monitor: what a plateau is seen in.
    """

    kind: Literal["constant", "cosine", "exponential", "step", "inverse", "plateau"] = "constant"
    final_learning_rate: NotNegative = 0.0
    factor: Annotated[float, Within(0, 1, above=True)] = 0.1
    every_epochs: Count = 1
    patience: Count = 10
    min_delta: NotNegative = 0.0
    minimum: NotNegative = 0.0
    monitor: Monitor = "validation_loss"


@dataclass(frozen=True)
class Distillation:
    """What a teacher's opinion counts, where there is one (G. Hinton et al., 2015, arXiv:1503.02531).

    Attributes:
        temperature: divides the logits of teacher and student before they are compared.
        share: of the teacher in the loss; the labels have the rest.
    """

    temperature: Positive = 4.0
    share: Share = 0.5


@dataclass(frozen=True)
class Centres:
    """DSAN's class centres: two terms of its loss and an optimizer of their own (SGD).

    Attributes:
        compactness: weight of the distance between features and centres (lambda 1 of Eq. 6).
        separation: weight of the cosines between centres (lambda 2 of Eq. 6).
        learning_rate, momentum, weight_decay: of the centres' SGD, at a constant rate.
        detach_weight: let no gradient reach the attention by way of the distance, which it could shorten by
            attending to nothing.
    """

    compactness: NotNegative = 0.01
    separation: NotNegative = 0.01
    learning_rate: Positive = 0.9
    momentum: Share = 0.9
    weight_decay: NotNegative = 1e-4
    detach_weight: bool = False


@dataclass(frozen=True)
class Stage:
    """A run of epochs at one input size.

    Attributes:
        size: side of the network's input in pixels; the last stage's is the contract's.
        epochs: at most so many.
        batch_size: faces a step; one alone has no variance to normalise by.
        learning_rate: at the stage's start (after the warm-up).
        schedule: what becomes of the learning rate.
        optimizer: how gradients become steps.
        augmentation: how faces are varied.
        augmentation_strength: factor on the augmentation.
        repeats: passes over the faces an epoch; by the size of the set as ``[[faces, passes], ...]``, of
            which the last row counts that does not ask for more faces than there are.
        warmup_steps: steps of linear growth to the learning rate, while the optimizer is young.
        gradient_clip: largest global norm of the gradients; 0 for any.
        ema_decay: decay a step of the moving average of weights, which is what gets evaluated and saved; 0
            for the weights themselves.
        label_smoothing: share of the target spread over all classes.
        class_weights: ``balanced`` weighs each face by faces / (classes * faces of its class).
        sampling: ``balanced`` draws every class equally often, ``shuffled`` every face once.
        soft_labels: learn from the votes of a set that has them, not from the class most voted for.
        dropout: rate of all dropouts, or of each by name; None for the network's own.
        from_best: begin with the best weights of the stage before, not with its last.
        trainable: ``all``; ``head``: what follows the trunk; or the head and this many of the trunk's last
            layers, counted as Keras does.
        frozen_norms: the trunk's batch normalisations learn nothing and use the statistics they have.
        patience: epochs without a better ``monitor`` after which the stage ends; 0 for never.
        min_delta: by how much an epoch has to be better for that.
        monitor: what chooses the best epoch.
        session: only faces of this session; empty for all.
        max_yaw_degrees: only faces turned no further than this.
        precision: ``auto`` computes in bfloat16 where the hardware does.
        distillation: what a teacher counts, where there is one.
        centres: DSAN's.

    Session and yaw pick easy faces to begin with. A set that does not know the attribute is used whole.
    """

    size: Count
    epochs: Count
    batch_size: Several
    learning_rate: Positive
    schedule: Schedule = field(default_factory=Schedule)
    optimizer: Optimizer = field(default_factory=Optimizer)
    augmentation: Augmentation = field(default_factory=Augmentation)
    augmentation_strength: NotNegative = 1.0
    repeats: Count | tuple[tuple[CountOrNone, Count], ...] = 1
    warmup_steps: CountOrNone = 0
    gradient_clip: NotNegative = 0.0
    ema_decay: Decay = 0.0
    label_smoothing: Share = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    soft_labels: bool = False
    dropout: Share | Mapping[str, Share] | None = None
    from_best: bool = False
    trainable: Literal["all", "head"] | Count = "all"
    frozen_norms: bool = False
    patience: CountOrNone = 0
    min_delta: NotNegative = 0.0
    monitor: Monitor = "validation_accuracy"
    session: str = ""
    max_yaw_degrees: NotNegative = 180.0
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    distillation: Distillation = field(default_factory=Distillation)
    centres: Centres = field(default_factory=Centres)

    def passes(self, faces: int) -> int:
        """Passes over a set of ``faces`` faces in one epoch."""
        if isinstance(self.repeats, int):
            return self.repeats
        return max(row for row in self.repeats if row[0] <= faces)[1]

    def __post_init__(self) -> None:
        if not isinstance(self.repeats, int) and not any(start == 0 for start, _ in self.repeats):
            raise DataError(f"repeats = {self.repeats}", expected="a first row [0, passes]")


@dataclass(frozen=True)
class Recipe:
    """A training.

    Attributes:
        name: the table's name.
        stages: what is done, in order.
        pretrained: the data that the weights it starts from have seen; None where it starts from scratch.
    """

    name: str
    stages: tuple[Stage, ...]
    pretrained: Literal["imagenet", "ms-celeb-1m"] | None = None

    def __post_init__(self) -> None:
        if not self.stages:
            raise DataError(f"recipe {self.name!r} has no stages", expected=f"[[{self.name}.stages]]")

    @property
    def epochs(self) -> int:
        """Epochs of all stages together."""
        return sum(stage.epochs for stage in self.stages)

    def with_epochs(self, epochs: int) -> Recipe:
        """The recipe stretched or shrunk to ``epochs``, shared out in proportion, the last stages first.

        Stages that get no epoch are left out; the last stage always stays.
        """
        if epochs < 1:
            raise UsageError(f"training for {epochs} epochs", expected="at least 1")
        stages: list[Stage] = []
        left, planned = epochs, self.epochs
        for stage in reversed(self.stages):
            share = min(left, max(1, round(left * stage.epochs / planned)))
            planned -= stage.epochs
            left -= share
            if share:
                stages.insert(0, replace(stage, epochs=share))
        return replace(self, stages=tuple(stages))

    def with_batch_size(self, faces: int) -> Recipe:
        """The recipe with batches of so many faces in all stages; learning rates stay what they are."""
        if faces < 2:
            raise UsageError(
                f"batches of {faces} faces", expected="at least 2: one has no variance to normalise by"
            )
        return replace(self, stages=tuple(replace(stage, batch_size=faces) for stage in self.stages))

    def to_json(self) -> dict[str, Any]:
        """The recipe as a JSON object."""
        return {**asdict(self), "stages": [asdict(stage) for stage in self.stages]}


def load_recipe(source: str | Path, name: str = "synthfer") -> Recipe:
    """The recipe ``name`` of a model (``"pattlite"``) or of a TOML file.

    Raises:
        UsageError: there is no such file or recipe.
        DataError: the file is no TOML, or a key is unknown, missing, of the wrong kind or out of bounds.
    """
    path = RECIPES / f"{source}.toml" if not str(source).endswith(".toml") else Path(source)
    if not path.exists():
        raise UsageError(
            f"no recipe file {path}",
            expected=f"a model with recipes ({', '.join(sorted(p.stem for p in RECIPES.glob('*.toml')))}) "
            "or a .toml file",
        )
    tables = read_toml(path)
    if not isinstance(tables.get(name), dict):
        raise UsageError(f"{path.name} has no recipe {name!r}", expected=f"one of {', '.join(tables)}")
    return _recipe(name, tables[name], f"{path.name}: [{name}]")


def _recipe(name: str, table: Mapping[str, Any], where: str) -> Recipe:
    check_table(Stage, table, where, beside=("pretrained", "stages"))
    shared, whole = dict(table), {}
    stages = shared.pop("stages", [])
    if "pretrained" in shared:
        whole["pretrained"] = shared.pop("pretrained")
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        raise DataError(f"{where}: stages = {stages!r}", expected=f"tables [[{name}.stages]]")
    read = [
        read_table(Stage, _merged(shared, stage), f"{where} stage {number}")
        for number, stage in enumerate(stages, 1)
    ]
    return Recipe(name, tuple(read), **check_table(Recipe, whole, where))


def _merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """``own`` over ``shared``, table by table."""
    return {
        **shared,
        **{
            key: _merged(shared[key], value)
            if isinstance(value, Mapping) and isinstance(shared.get(key), Mapping)
            else value
            for key, value in own.items()
        },
    }
