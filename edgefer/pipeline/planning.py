"""What a training is going to do, tried before any face is loaded."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgefer.data.catalogue import DATASETS
from edgefer.data.registry import SPLIT, find, list_faces
from edgefer.models import ModelSpec, get
from edgefer.pipeline.requirements import require
from edgefer.pipeline.runs import FOLDS, STATE, Run, choose_folder, claimed, same_folder
from edgefer.pipeline.subjects import find_checkpoint
from edgefer.training.processes import Place, find_place
from edgefer_runtime.errors import DataError, UsageError

if TYPE_CHECKING:
    from edgefer.training.accelerator import Accelerator
    from edgefer.training.checkpoint import Checkpoint
    from edgefer.training.recipe import Recipe

Apart = Literal["subject", "image"]
"""What training and test of a fold do not share: people, or just pictures."""

Note = Callable[[str], None]
LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class TrainSettings:
    """What `edgefer train` was asked for; None means the recipe's, the model's or the set's own."""

    model: str
    variant: str | None = None
    data: str = "synthfer"
    validation: str | None = None
    random_split: bool = False
    drop_duplicates: bool = False
    partial: bool = False
    recipe: str = "synthfer"
    epochs: int | None = None
    batch_size: int | None = None
    pretrained: Path | None = None
    teacher: str | None = None
    resume: bool = False
    accelerator: Accelerator = "auto"
    devices: int = 1
    nodes: int = 1
    seed: int = 0
    tensorboard: bool = False
    output: Path | None = None


@dataclass(frozen=True)
class Folds:
    """A cross-validation: how many folds, and of what."""

    number: int
    apart: Apart = "subject"


@dataclass(frozen=True)
class TrainingPlan:
    """A training that can be done, as far as can be told without its faces.

    Attributes:
        settings: what was asked for, with the folder that it goes to.
        spec, recipe: of the network.
        described: what decides its weights, as JSON.
        place: of this process.
        folds: of a cross-validation.
    """

    settings: TrainSettings
    spec: ModelSpec
    recipe: Recipe
    described: dict[str, Any]
    place: Place
    folds: Folds | None = None

    @property
    def folder(self) -> Path:
        """Where the results go."""
        assert self.settings.output is not None
        return self.settings.output

    @contextmanager
    def underway(self, on_note: Note) -> Iterator[None]:
        """Hold the folder, and note the end; of an interruption tell what is kept and how to go on."""
        holding = nullcontext(None) if self.place.rank else claimed(self.folder, self.described)
        run: Run | None
        with holding as run:
            try:
                yield
            except BaseException as stop:
                if run and not isinstance(stop, Exception):
                    on_note(self.interrupted())
                raise
            if run:
                run.write(finished=time.time())

    def interrupted(self) -> str:
        """What an interruption leaves, and the command that goes on from there."""
        kept = _kept(self.folder)
        if not kept:
            return "stopped before there was anything to keep; the same command starts again"
        return f"{kept} kept in {self.folder}; to go on:\n{command(self.settings, self.folds)}"


def plan_training(
    settings: TrainSettings, folds: Folds | None = None, on_note: Note = lambda _: None
) -> TrainingPlan:
    """Try all that a training names: words and folders first, then what needs torch.

    Raises:
        UsageError, DataError, DeviceError, MissingError: something of it cannot be.
    """
    require("train", "training")
    _require_consistent(settings, folds)
    spec = get(settings.model)
    recipe = choose_recipe(settings)
    for stage in recipe.stages:
        spec.require_size(stage.size, settings.variant)
    for name in filter(None, (settings.data, settings.validation)):
        _require_set(name)
    if settings.validation and (place := find(settings.validation)):
        list_faces(place).of_split(place.split).require_sound()
    described = describe(settings, recipe, folds)
    place_here = find_place(settings.devices, settings.nodes)
    together = settings.nodes > 1 or place_here.started
    if place_here.rank:
        folder = same_folder(described, settings.output, resume=settings.resume)
    else:
        folder = choose_folder(
            described, settings.output, resume=settings.resume, alone=not together, on_note=on_note
        )
    _require_loadable(settings, spec, place_here)
    return TrainingPlan(replace(settings, output=folder), spec, recipe, described, place_here, folds)


def choose_recipe(settings: TrainSettings) -> Recipe:
    """The recipe that ``--recipe``, ``--epochs`` and ``--batch-size`` mean.

    It is a NAME of the model's, FILE.toml or FILE.toml:NAME.

    Raises:
        UsageError, DataError: there is none, or it is no recipe.
    """
    from edgefer.training.recipe import load_recipe

    file, _, name = settings.recipe.rpartition(":")
    if file.endswith(".toml") or name.endswith(".toml"):
        recipe = load_recipe(file, name) if file else load_recipe(name)
    else:
        recipe = load_recipe(settings.model, settings.recipe)
    if settings.epochs is not None:
        recipe = recipe.with_epochs(settings.epochs)
    return recipe if settings.batch_size is None else recipe.with_batch_size(settings.batch_size)


def describe(settings: TrainSettings, recipe: Recipe, folds: Folds | None) -> dict[str, Any]:
    """What two runs must agree on to be one training, as JSON."""
    described = {
        "model": settings.model,
        "variant": get(settings.model).resolve_variant(settings.variant),
        "data": _address(settings.data),
        "validation": settings.validation and _address(settings.validation),
        "random_split": settings.random_split,
        "drop_duplicates": settings.drop_duplicates,
        "pretrained": settings.pretrained and str(settings.pretrained.resolve()),
        "teacher": settings.teacher,
        "seed": settings.seed,
        "folds": folds.number if folds else None,
        "apart": folds.apart if folds else None,
        "recipe": recipe.to_json(),
    }
    return dict(json.loads(json.dumps(described)))


def command(settings: TrainSettings, folds: Folds | None = None) -> str:
    """The command that resumes a training, for a shell."""
    words = ["edgefer", "train", settings.model]
    for each in fields(settings):
        value, option = getattr(settings, each.name), f"--{each.name.replace('_', '-')}"
        if each.name not in ("model", "resume", "output") and value != each.default:
            words += [option] if value is True else [option, str(value)]
    if folds:
        words += ["--folds", str(folds.number), *(["--image-folds"] if folds.apart == "image" else [])]
    return shlex.join([*words, "--output", str(settings.output), "--resume"])


def pretrained(
    spec: ModelSpec, settings: TrainSettings, classes: tuple[str, ...], on_note: Note
) -> Checkpoint | None:
    """Fresh weights with those of the file ``--pretrained`` put in; None without one.

    Raises:
        UsageError, DataError, MissingError: as :func:`edgefer.training.pretrained.load_pretrained`.
    """
    if settings.pretrained is None:
        return None
    import torch

    from edgefer.training.checkpoint import Checkpoint
    from edgefer.training.pretrained import load_pretrained

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = spec.build(settings.variant, len(classes))
    report = load_pretrained(settings.pretrained, network, spec)
    on_note(str(report))
    return Checkpoint(
        model=spec.name,
        variant=spec.resolve_variant(settings.variant),
        classes=classes,
        contract=spec.contract,
        weights=network.state_dict(),
        provenance=report.to_json(),
    )


def _require_consistent(settings: TrainSettings, folds: Folds | None) -> None:
    """Refuse options of which one would be passed over."""
    if folds and settings.validation:
        raise UsageError(
            f"--validation {settings.validation} together with folds",
            expected="validation faces from each fold's own training part",
            action="leave --validation out",
        )
    if settings.random_split and (folds or settings.validation):
        other = "--folds" if folds else f"--validation {settings.validation}"
        raise UsageError(
            f"--random-split together with {other}",
            expected="one way to choose the validation faces",
            action="leave one of them out",
        )
    if not 0 <= settings.seed <= LARGEST_SEED:
        raise UsageError(f"--seed {settings.seed}", expected="a whole number from 0 on")


def _require_set(name: str) -> None:
    """Check that a face set is there, as far as that shows without reading it."""
    place = find("synthfer:train" if name == "synthfer" else name)
    if place is None:
        split = SPLIT.fullmatch(name.partition(":")[2])
        if name != "synthfer" and not (split and split["split"] in DATASETS["synthfer"].splits):
            raise UsageError(
                f"no split called {name!r}",
                expected=f"one of {', '.join(f'synthfer:{each}' for each in DATASETS['synthfer'].splits)}",
                action="`edgefer datasets` lists them",
            )
        if split and split["limit"] and not int(split["limit"]):
            raise DataError(f"{name} holds no faces", expected="a limit of at least 1")
    elif not place.path.exists():
        raise DataError(
            f"{name}: {place.path} does not exist",
            expected="the folder or file of a face set",
            action="name the place where the set lies",
        )


def _require_loadable(settings: TrainSettings, spec: ModelSpec, place: Place) -> None:
    """Check what needs torch: the device, TensorBoard, a teacher and a file of weights."""
    from edgefer.training.accelerator import choose_device

    choose_device(settings.accelerator, place)
    if settings.tensorboard:
        from edgefer.training.logs import require_tensorboard

        require_tensorboard()
    if settings.teacher:
        find_checkpoint(settings.teacher)
    pretrained(spec, settings, ("one", "other"), lambda _: None)


def _address(name: str) -> str:
    """The name of a set, the same from whichever folder and however it is written."""
    place = find("synthfer:train" if name == "synthfer" else name)
    if place is None:
        return "synthfer:train" if name == "synthfer" else name
    return place._replace(path=place.path.resolve()).address()


def _kept(folder: Path) -> str:
    """What a run folder holds to go on from, in words; empty for nothing."""
    try:
        finished = len(json.loads((folder / FOLDS).read_bytes())["folds"])
        within = _kept(folder / f"fold-{finished + 1}")
        if not finished:
            return within and f"fold 1 ({within})"
        return f"{finished} finished folds" + (f" and fold {finished + 1} ({within})" if within else "")
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        at = json.loads((folder / STATE).read_bytes())["position"]
        return (
            f"stopped in stage {at['stage'] + 1}, epoch {at['epoch'] + 1}: "
            f"all {at['done_steps']} steps up to there are"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""
