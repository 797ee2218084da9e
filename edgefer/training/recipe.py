"""Recipes: every number of a training, read from TOML.

A recipe is a table of ``edgefer/recipes/MODEL.toml`` (or of a file of one's own):

    [synthfer]                  the name of the recipe; fields of :class:`Recipe`
    [synthfer.augmentation]     fields of :class:`Augmentation`
    [[synthfer.stages]]         one table a stage; fields of :class:`Stage`
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from edgefer_runtime.errors import DataError, UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPES = Path(__file__).parent.parent / "recipes"


@dataclass(frozen=True)
class Augmentation:
    """How faces are varied in training; zero switches a part off.

    Attributes:
        flip: probability of mirroring.
        rotation_degrees: rotation is uniform within plus or minus this.
        scale: zoom is uniform within 1 plus or minus this.
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

    flip: float = 0.0
    rotation_degrees: float = 0.0
    scale: float = 0.0
    translation: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    tint: float = 0.0
    gray: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    erasing: float = 0.0
    erasing_side: float = 0.5

    def scaled(self, strength: float) -> Augmentation:
        """The same with every range and probability times ``strength``, but for mirroring."""
        kept = {"flip": self.flip, "erasing_side": self.erasing_side}
        return Augmentation(**{name: value * strength for name, value in asdict(self).items()} | kept)


@dataclass(frozen=True)
class Stage:
    """A run of epochs at one input size.

    Attributes:
        size: side of the network's input in pixels; the last stage's is the contract's.
        epochs: passes over the training set.
        batch_size: faces a step.
        learning_rate: at the stage's start (after the warm-up, in the first stage).
        final_learning_rate: at the stage's end; half a cosine leads there.
        augmentation_strength: factor on the recipe's augmentation.
        session: only faces of this session; empty for all.
        max_yaw_degrees: only faces turned no further than this.

    The last two pick easy faces to begin with. A set that does not know the attribute is used whole.
    """

    size: int
    epochs: int
    batch_size: int
    learning_rate: float
    final_learning_rate: float
    augmentation_strength: float = 1.0
    session: str = ""
    max_yaw_degrees: float = 90.0


@dataclass(frozen=True)
class Recipe:
    """A training.

    Attributes:
        name: the table's name.
        stages: what is done, in order.
        augmentation: how faces are varied.
        optimizer: ``"adamw"`` or ``"sgd"`` (with Nesterov momentum).
        momentum: of SGD; AdamW keeps its usual moments.
        weight_decay: on kernels and matrices; never on biases and normalisations.
        label_smoothing: share of the target spread over all classes.
        gradient_clip: largest global norm of the gradients.
        ema_decay: decay a step of the moving average of weights, which is what gets evaluated and saved.
        warmup_steps: steps of linear growth to the first learning rate.
        patience: epochs without a better validation accuracy after which a stage ends.
        precision: ``"auto"`` computes in bfloat16 where the hardware does, ``"float32"`` never.
    """

    name: str
    stages: tuple[Stage, ...]
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: float = 0.9
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    gradient_clip: float = 3.0
    ema_decay: float = 0.998
    warmup_steps: int = 0
    patience: int = 10
    precision: Literal["auto", "float32"] = "auto"

    def __post_init__(self) -> None:
        if not self.stages:
            raise DataError(f"recipe {self.name!r} has no stages", expected=f"[[{self.name}.stages]]")
        for stage in self.stages:
            if min(stage.size, stage.epochs, stage.batch_size) < 1 or stage.learning_rate <= 0:
                raise DataError(
                    f"recipe {self.name!r}: {stage}",
                    expected="positive size, epochs, batch_size and learning_rate",
                )
        for key, allowed in (("optimizer", ("adamw", "sgd")), ("precision", ("auto", "float32"))):
            if getattr(self, key) not in allowed:
                raise DataError(
                    f"recipe {self.name!r}: {key} = {getattr(self, key)!r}",
                    expected=f"one of {', '.join(allowed)}",
                )

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
            stages.append(replace(stage, epochs=share))
        return replace(self, stages=tuple(stage for stage in reversed(stages) if stage.epochs))

    def to_json(self) -> dict[str, Any]:
        """The recipe as a JSON object."""
        return {**asdict(self), "stages": [asdict(stage) for stage in self.stages]}


def load_recipe(source: str | Path, name: str = "synthfer") -> Recipe:
    """The recipe ``name`` of a model (``"pattlite"``) or of a TOML file.

    Raises:
        UsageError: there is no such file or recipe.
        DataError: the file is no TOML, or a key is unknown, missing or of the wrong kind.
    """
    path = RECIPES / f"{source}.toml" if not str(source).endswith(".toml") else Path(source)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(
            f"no recipe file {path}",
            expected=f"a model with recipes ({', '.join(sorted(p.stem for p in RECIPES.glob('*.toml')))}) "
            "or a .toml file",
        ) from None
    except ValueError as error:
        raise DataError(f"{path} is not TOML: {error}", expected="a recipe file") from error
    if not isinstance(tables.get(name), dict):
        raise UsageError(f"{path.name} has no recipe {name!r}", expected=f"one of {', '.join(tables)}")
    return _recipe(name, tables[name], path)


def _recipe(name: str, table: Mapping[str, Any], path: Path) -> Recipe:
    where = f"{path.name}: [{name}]"
    values = {"name": name, **table}
    values["augmentation"] = _read(Augmentation, table.get("augmentation", {}), f"{where} augmentation")
    values["stages"] = tuple(
        _read(Stage, stage, f"{where} stage {number}")
        for number, stage in enumerate(table.get("stages", []), 1)
    )
    return _read(Recipe, values, where)


T = TypeVar("T")


def _read(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """``kind`` (a dataclass) from a table; whole numbers may stand for fractions, never the reverse."""
    known = {item.name: item.type for item in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(values, Mapping):
        raise DataError(f"{where}: {values!r}", expected=f"a table with the keys {', '.join(known)}")
    for key, value in values.items():
        if key not in known:
            raise DataError(f"{where}: unknown key {key!r}", expected=f"one of {', '.join(known)}")
        kinds: tuple[type, ...] | None = {"int": (int,), "float": (int, float), "str": (str,)}.get(
            str(known[key])
        )
        if kinds and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise DataError(f"{where}: {key} = {value!r}", expected=f"{known[key]}")
    try:
        return kind(**values)
    except TypeError as error:
        raise DataError(f"{where}: {error}", expected=f"the keys {', '.join(known)}") from error
