"""The training loop: stages of epochs, on one device or several."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefer.data.faceset import FaceSet
from edgefer.models import ModelSpec
from edgefer.training.accelerator import Accelerator, choose_device
from edgefer.training.augment import vary
from edgefer.training.batches import place_pictures
from edgefer.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edgefer.training.device import (
    Autocast,
    Float32,
    choose_precision,
    keep_in_float32,
    make_fabric,
    surroundings,
)
from edgefer.training.exhaustion import memory_told, out_of_memory, ran_out, step_too_large
from edgefer.training.freezing import freeze, train_mode
from edgefer.training.interrupt import StopRequest, stop_on_signal
from edgefer.training.logs import Log
from edgefer.training.memory import give_back_memory, keep_memory
from edgefer.training.objectives import make_objective
from edgefer.training.optimize import carries_over, follow, has_stalled, make_optimizers, set_learning_rates
from edgefer.training.predict import predict
from edgefer.training.processes import Place, find_place, helpers
from edgefer.training.progress import Pace, Progress, StageStart
from edgefer.training.recipe import Recipe, Stage
from edgefer.training.sampling import balanced_weights, epoch_order
from edgefer.training.selection import check_pair, choose_faces, describe
from edgefer.training.state import Position, State, load_state, save_state
from edgefer.training.trial import largest_batch
from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import CheckError, EdgeferError, UsageError

if TYPE_CHECKING:
    from lightning_fabric.wrappers import _FabricOptimizer

TEST = "test.json"
"""What the best checkpoint was worth on test faces, where it has been evaluated."""

VALIDATION_CHUNK = 128
"""Faces that one process validates in a row."""


def _ignore(_: Progress | StageStart) -> None:
    pass


def train(
    spec: ModelSpec,
    recipe: Recipe,
    train: FaceSet,
    validation: FaceSet,
    out: Path,
    *,
    variant: str | None = None,
    initial: Checkpoint | None = None,
    teacher: Checkpoint | None = None,
    resume: bool = False,
    accelerator: Accelerator = "auto",
    devices: int = 1,
    nodes: int = 1,
    seed: int = 0,
    tensorboard: bool = False,
    on_stage: Callable[[StageStart], None] = _ignore,
    on_progress: Callable[[Progress], None] = _ignore,
) -> Path:
    """Train a model and return the path of its best checkpoint.

    ``out`` receives ``best`` (the latest stage's best epoch by what it monitors) and ``last`` checkpoints,
    of the averaged weights where the stage averages, ``log.csv``, and the state from which an interrupted
    run resumes exactly. A checkpoint of an earlier stage carries the input size it was trained at. On
    Ctrl-C or SIGTERM the state is saved before leaving. On a CPU the result depends on nothing but the
    arguments and the number of threads.

    Several devices share each batch out among as many processes. Every face is chosen and varied as it
    would be on a single device, and gradients are averaged, so the training is the same to rounding, but
    for two things that look at the faces of one process only: batch normalisation, whose statistics are of
    a smaller batch (those of the first process are kept), and dropout, whose masks are drawn anew.

    Args:
        spec, variant: what to train.
        recipe: how.
        train, validation: faces with the same classes; the validation faces choose the best epoch.
        out: folder for the results, not another run's. Only the first process writes.
        initial: weights to begin with, instead of fresh ones.
        teacher: a network to learn from beside the labels.
        resume: go on with the run that was interrupted in ``out``.
        accelerator: where to compute.
        devices: processes on each node; those beside this one are started, unless torchrun has done so.
        nodes: machines that run this same command; see :mod:`edgefer.training.processes`.
        seed: of initial weights, order and augmentation.
        tensorboard: write TensorBoard's events, too.
        on_stage: called when a stage begins, in the first process.
        on_progress: called after every step, in the first process.

    Raises:
        DataError: the sets do not go together, a stage finds no faces, or ``out`` cannot be written.
        UsageError: no such variant, an input size that it does not take, a folder that holds another run,
            nothing that could be resumed, or batches too small for the processes.
        DeviceError: the accelerator is not there, memory ran out, or a process was lost.
        CheckError: the loss is no longer finite. What ``out`` holds is of the last finished epoch.
        MissingError: TensorBoard is wanted and not installed.
    """
    check_pair(train, validation)
    spec.resolve_variant(variant)
    place = find_place(devices, nodes)
    choose_device(accelerator, place)
    for stage in recipe.stages:
        spec.require_size(stage.size, variant)
        faces = min(stage.batch_size, len(choose_faces(train, stage)))
        if faces < 2 * place.processes:
            raise UsageError(
                f"batches of {faces} faces for {place.processes} process{'es' * (place.processes > 1)}",
                expected="at least two faces for each",
                action="train on fewer devices, with a bigger batch_size, or on more faces",
            )
    if not (resume or place.rank) and any((out / name).exists() for name in ("best.json", "state.json")):
        raise UsageError(
            f"{out} holds a training already",
            expected="a folder that no training has written to",
            action="name another folder, or go on with that training (resume)",
        )
    job = _Job(spec, recipe, train, validation, out, variant, teacher, resume, accelerator, seed, tensorboard)
    # The weights to begin with reach the other processes with the network's.
    with helpers(place, partial(_work, job)):
        _work(job, place, initial, *((on_stage, on_progress) if place.rank == 0 else ()))
    return out / "best.json"


@dataclass(frozen=True)
class _Job:
    """What all processes need to know; see :func:`train`."""

    spec: ModelSpec
    recipe: Recipe
    train: FaceSet
    validation: FaceSet
    out: Path
    variant: str | None
    teacher: Checkpoint | None
    resume: bool
    accelerator: Accelerator
    seed: int
    tensorboard: bool


def _work(
    job: _Job,
    place: Place,
    initial: Checkpoint | None = None,
    on_stage: Callable[[StageStart], None] = _ignore,
    on_progress: Callable[[Progress], None] = _ignore,
) -> None:
    """The share of one process in a training."""
    device = choose_device(job.accelerator, place)
    keep_memory(device)
    with surroundings(place, device), stop_on_signal() as stop:
        with memory_told(f"on {device}, before the first step"):
            run = _Run(job, place, device, initial, stop, on_stage, on_progress)
        with contextlib.closing(run.log):
            run.go_within_memory()
        if stop:
            stop.leave()


def _origin(initial: Checkpoint) -> dict[str, Any]:
    return {**initial.describe(), "from": dict(initial.provenance)}


class _Run:
    """One training as one process sees it: network, optimizers, and how far they have come."""

    stage: Stage
    contract: InputContract
    average: nn.Module | None
    optimizers: list[torch.optim.Optimizer]

    def __init__(
        self,
        job: _Job,
        place: Place,
        device: torch.device,
        initial: Checkpoint | None,
        stop: StopRequest,
        on_stage: Callable[[StageStart], None],
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.job, self.place, self.device, self.stop = job, place, device, stop
        self.on_stage, self.on_progress = on_stage, on_progress
        self.pictures = place_pictures(job.train, device)
        self.labels = torch.from_numpy(job.train.labels).to(device)
        self.votes = None if job.train.votes is None else torch.from_numpy(job.train.votes).to(device)
        self.chosen = [choose_faces(job.train, stage) for stage in job.recipe.stages]

        torch.manual_seed(job.seed)
        network = job.spec.build(job.variant, len(job.train.classes))
        if initial is not None:
            network.load_state_dict(initial.network().state_dict())
        if device.type == "cpu":
            keep_in_float32(network)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = make_objective(job.spec, network, job.train.classes, teacher=job.teacher).to(device)
        self.position, self.pace = Position(), Pace()
        self.average, self.optimizers = None, []
        self.steppers: list[_FabricOptimizer] = []
        self.provenance = {
            "train": describe(job.train),
            "validation": describe(job.validation),
            "seed": job.seed,
            "recipe": job.recipe.to_json(),
            **({} if job.teacher is None else {"teacher": job.teacher.describe()}),
            **({} if initial is None else {"initial": _origin(initial)}),
        }
        self.settings = {
            "model": job.spec.name,
            "variant": job.spec.resolve_variant(job.variant),
            "teacher": None,
            "initial": None,
            **self.provenance,
        }
        self.log = Log(job.out, tensorboard=job.tensorboard and place.rank == 0)

    def go_within_memory(self) -> None:
        """:meth:`go`; where memory runs out, say how much there is room for.

        Raises:
            DeviceError: memory ran out.
        """
        try:
            return self.go()
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            reason = error.with_traceback(None)  # Its frames hold what the step allocated.
        if not self.steppers:
            raise out_of_memory(f"on {self.device}, before the first step", reason)
        stage = self.stage
        raise step_too_large(stage.batch_size, stage.size, str(self.device), self.largest_batch(), reason)

    def largest_batch(self) -> int | None:
        """The largest of a half, a quarter, ... of the batch that memory suffices for; tried, not computed.

        Weights are of no use afterwards. Beside other processes, which wait in the middle of a step, nothing
        can be tried: then it is the half.
        """
        faces = self.stage.batch_size // 2
        while faces >= 2:
            if self.place.processes > 1 or self.has_room_for(faces):
                return faces
            faces //= 2
        if self.device.type != "cpu":
            return None
        return largest_batch(
            self.job.spec.name,
            self.job.spec.resolve_variant(self.job.variant),
            classes=len(self.job.train.classes),
            size=self.stage.size,
            below=self.stage.batch_size,
            held_bytes=int(np.prod(self.job.train.images.shape)),
        )

    def has_room_for(self, faces: int) -> bool:
        """Whether steps with batches of so many faces can be made; the second meets a used optimizer."""
        give_back_memory(self.device)
        batch = np.resize(self.chosen[self.position.stage], faces)
        try:
            for _ in range(2):
                with contextlib.closing(self.pictures.batches([batch])) as pictures:
                    self.train_step(next(pictures), batch)
        except CheckError:
            return True
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            return False
        return True

    def go(self) -> None:
        position, stages = self.position, self.job.recipe.stages
        saved = self.find_state() if self.job.resume else None
        if saved is not None:
            position = self.position = saved.position
        while True:
            self.begin_stage(saved)
            saved = None
            while position.epoch < self.stage.epochs and not has_stalled(self.stage, position.stage_history):
                self.train_epoch()
                self.validate()
                position.begin_epoch(position.epoch + 1)
                self.save()
            if position.stage + 1 == len(stages):
                # Whoever returns may open the checkpoints.
                return self.fabric.barrier()
            position.begin_stage()

    def find_state(self) -> State:
        """The saved state as the first process found it, or the error that it met."""
        found: State | EdgeferError | None = None
        if self.place.rank == 0:
            try:
                found = load_state(self.job.out, self.settings)
            except EdgeferError as error:
                found = error
        fabric = make_fabric(self.place, self.device, "float32")
        found = fabric.broadcast(found)
        if isinstance(found, EdgeferError):
            raise found
        return cast(State, found)

    def begin_stage(self, saved: State | None) -> None:
        """Set up the position's stage, from ``saved`` where the run was interrupted in it."""
        position, stages = self.position, self.job.recipe.stages
        stage = self.stage = stages[position.stage]
        self.contract = replace(self.job.spec.contract, height=stage.size, width=stage.size)
        if stage.from_best and position.stage and saved is None:
            self.average = None
            if self.place.rank == 0:
                best = load_checkpoint(self.job.out / "best.json")
                self.objective.network.load_state_dict(dict(best.weights))
        freeze(self.objective.network, stage)
        self.objective.begin(stage, self.class_weights())
        if not self.optimizers or not carries_over(stages[position.stage - 1], stage):
            self.optimizers = make_optimizers(stage, self.objective)
            if saved is None:
                position.optimizer_steps = 0
        self.precision = choose_precision(stage.precision, self.device)
        self.fabric = make_fabric(self.place, self.device, self.precision)
        self.mixing = cast("Autocast | Float32", self.fabric.strategy.precision)
        # From here on every process has the weights of the first.
        self.module = self.fabric.setup_module(self.objective)
        if not stage.ema_decay:
            self.average = None
        elif self.average is None:
            self.average = copy.deepcopy(self.objective.network).eval()
        if saved is not None:
            saved.restore(self.objective, self.average, self.optimizers)
            self.mixing.load_state_dict(dict(saved.loss_scale))
        self.steppers = [
            cast("_FabricOptimizer", self.fabric.setup_optimizers(each)) for each in self.optimizers
        ]
        self.on_stage(
            StageStart(
                stage=position.stage + 1,
                stages=len(stages),
                epoch=position.epoch + 1,
                epochs=stage.epochs,
                size=stage.size,
                batch_size=stage.batch_size,
                steps=self.steps_per_epoch(position.stage),
                faces=len(self.chosen[position.stage]),
                held_out=len(self.job.validation),
                device=str(self.device),
                precision=self.precision,
                threads=torch.get_num_threads(),
                processes=self.place.processes,
            )
        )

    def class_weights(self) -> Tensor | None:
        if self.stage.class_weights == "none":
            return None
        labels = self.job.train.labels[self.chosen[self.position.stage]]
        return torch.from_numpy(balanced_weights(labels, len(self.job.train.classes))).to(self.device)

    def train_epoch(self) -> None:
        position, stage = self.position, self.stage
        self.objective.train()
        train_mode(self.objective.network, stage)
        randomness = np.random.default_rng((self.job.seed, position.stage, position.epoch))
        order = epoch_order(self.chosen[position.stage], self.job.train.labels, stage, randomness)
        steps = range(position.step, self.steps_per_epoch(position.stage))
        batches = [order[step * stage.batch_size :][: stage.batch_size] for step in steps]
        pictures = self.pictures.batches(batch[self.place.share(len(batch))] for batch in batches)
        with contextlib.closing(pictures):
            for batch in batches:
                started = time.perf_counter()
                self.set_learning_rate()
                self.train_step(next(pictures), batch)
                position.step += 1
                position.done_steps += 1
                position.optimizer_steps += 1
                self.pace.add(time.perf_counter() - started, len(batch) * stage.size**2)
                self.report()
                if self.asked_to_stop():
                    self.save()
                    self.stop.leave()

    def train_step(self, pictures: Tensor, batch: NDArray[np.integer]) -> None:
        """Learn from this process's share of a batch.

        Args:
            pictures: of the share, uint8, N x H x W x 3, on the device.
            batch: indices of the faces of the whole batch.
        """
        stage, position = self.stage, self.position
        share = self.place.share(len(batch))
        faces = torch.from_numpy(batch[share]).to(self.device)
        labels = self.labels[faces]
        targets = labels if self.votes is None or not stage.soft_labels else self.votes[faces]

        seeds = np.random.SeedSequence((self.job.seed, position.done_steps)).generate_state(2)
        generator = torch.Generator(self.device).manual_seed(int(seeds[0]))
        torch.manual_seed(int(seeds[1]) + self.place.rank)  # dropout
        augmentation = stage.augmentation.scaled(stage.augmentation_strength)
        varied = vary(pictures, augmentation, generator, whole=len(batch), start=share.start)
        views = [varied.seen_by(self.contract).contiguous(memory_format=torch.channels_last), targets]
        if self.objective.teacher is not None:
            views.append(varied.seen_by(self.objective.teacher.contract))
        losses = self.module(*views)

        # Processes count alike when gradients are averaged, however big their share.
        weight = self.place.processes * len(pictures) / len(batch)
        for stepper in self.steppers:
            stepper.zero_grad()  # not before: the next gradients reuse the memory, which else goes back
        self.fabric.backward(losses.loss * weight if weight != 1 else losses.loss)
        if stage.gradient_clip:
            for stepper in self.steppers:
                self.mixing.unscale_gradients(stepper.optimizer)
            nn.utils.clip_grad_norm_(self.objective.parameters(), stage.gradient_clip)
        for stepper in self.steppers:
            stepper.step()
        self.mixing.end_step()
        if self.average is not None:
            steps = position.done_steps
            follow(self.average, self.objective.network, decay=stage.ema_decay, done_steps=steps)
        self.count(losses.loss, losses.scores, labels)

    def count(self, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Add a step of all processes to the epoch's means.

        Raises:
            CheckError: the loss is not finite.
        """
        position, right = self.position, (scores.argmax(1) == labels).double()
        each = torch.stack([loss.detach().double().expand_as(right), right, torch.ones_like(right)])
        loss_sum, correct, seen = self.sum(each.sum(1)).tolist()
        if not math.isfinite(loss_sum):
            raise CheckError(
                f"the loss is {loss_sum / seen} at step {position.done_steps + 1} "
                f"(stage {position.stage + 1}, epoch {position.epoch + 1}, step {position.step + 1})",
                expected="a finite loss; what the run's folder holds is of the last finished epoch",
                action='lower the learning_rate, set a gradient_clip, or try precision = "float32"',
            )
        position.loss_sum += loss_sum
        position.correct += int(correct)
        position.seen += int(seen)

    def asked_to_stop(self) -> bool:
        """Whether this process was, or any of several."""
        return bool(self.sum(torch.tensor(float(bool(self.stop)), device=self.device)))

    def sum(self, values: Tensor) -> Tensor:
        """``values`` added up over all processes, in place."""
        if self.place.processes > 1:
            torch.distributed.all_reduce(values)
        return values

    @property
    def evaluated(self) -> nn.Module:
        """The network that is validated and saved: the averaged one where there is one."""
        return self.objective.network if self.average is None else self.average

    def validate(self) -> None:
        position, stage, truth = self.position, self.stage, self.job.validation.labels
        probabilities = self.probabilities()
        accuracy = float((probabilities.argmax(1) == truth).mean())
        loss = float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean())
        position.history.append(
            {
                "stage": position.stage + 1,
                "epoch": position.epoch + 1,
                "size": stage.size,
                "learning_rate": self.set_learning_rate(),
                "loss": position.mean_loss,
                "accuracy": position.mean_accuracy,
                "validation_loss": loss,
                "validation_accuracy": accuracy,
            }
        )
        if self.place.rank == 0:
            self.keep_checkpoint()
        self.report()

    def probabilities(self) -> NDArray[np.float32]:
        """Of the validation faces, N x K; each process computes some of them."""
        images, classes = self.job.validation.images, len(self.job.validation.classes)
        network = self.evaluated.eval()
        found = torch.zeros(len(images), classes, device=self.device)
        if self.place.processes > 1:
            for buffer in network.buffers():  # those of normalisations differ
                torch.distributed.broadcast(buffer, 0)
        for start in range(0, len(images), VALIDATION_CHUNK)[self.place.rank :: self.place.processes]:
            rows = slice(start, start + VALIDATION_CHUNK)
            found[rows] = torch.from_numpy(
                predict(network, self.contract, images[rows], device=self.device, output=self.job.spec.output)
            )
        return cast(NDArray[np.float32], self.sum(found).cpu().numpy())

    def keep_checkpoint(self) -> None:
        position, row = self.position, self.position.history[-1]
        checkpoint = Checkpoint(
            model=self.job.spec.name,
            variant=self.job.spec.resolve_variant(self.job.variant),
            classes=self.job.validation.classes,
            contract=self.contract,
            weights=self.evaluated.state_dict(),
            provenance={
                **self.provenance,
                "torch": torch.__version__,
                "precision": self.precision,
                "processes": self.place.processes,
                "epochs": len(position.history),
                "steps": position.done_steps,
                "validation_accuracy": row["validation_accuracy"],
            },
        )
        save_checkpoint(self.job.out / "last", checkpoint)
        if position.best_epoch(self.stage.monitor) == position.epoch:
            (self.job.out / TEST).unlink(missing_ok=True)  # It is of other weights.
            save_checkpoint(self.job.out / "best", checkpoint)

    def save(self) -> None:
        if self.place.rank:
            return
        if self.position.step == 0:
            self.log.write(self.position.history, done_steps=self.position.done_steps)
        save_state(
            self.job.out,
            self.settings,
            self.position,
            self.objective,
            self.average,
            self.optimizers,
            self.mixing.state_dict(),
        )

    def report(self) -> None:
        position, stages = self.position, self.job.recipe.stages
        planned = [self.steps_per_epoch(number) * each.epochs for number, each in enumerate(stages)]
        done = position.epoch * self.steps_per_epoch(position.stage) + position.step
        left = [0] * position.stage + [planned[position.stage] - done] + planned[position.stage + 1 :]
        pixels = sum(steps * each.batch_size * each.size**2 for steps, each in zip(left, stages, strict=True))
        self.on_progress(
            Progress(
                stage=position.stage + 1,
                stages=len(stages),
                epoch=position.epoch + 1,
                epochs=self.stage.epochs,
                step=sum(planned) - sum(left),
                steps=sum(planned),
                loss=position.mean_loss,
                accuracy=position.mean_accuracy,
                validation_accuracy=position.history[-1]["validation_accuracy"] if position.history else None,
                eta_s=self.pace.eta_s(pixels),
                finished_epochs=len(position.history),
            )
        )

    def steps_per_epoch(self, stage: int) -> int:
        """Whole batches only: a batch of one face has no variance to normalise by."""
        how, faces = self.job.recipe.stages[stage], len(self.chosen[stage])
        return max(1, how.passes(faces) * faces // how.batch_size)

    def set_learning_rate(self) -> float:
        position, steps = self.position, self.steps_per_epoch(self.position.stage)
        return set_learning_rates(
            self.optimizers,
            self.stage,
            epoch=position.epoch,
            part=(position.epoch + position.step / steps) / self.stage.epochs,
            history=position.stage_history,
            done_steps=position.optimizer_steps,
        )
