"""The training loop: stages of epochs over faces held in memory, augmented on the device."""

from __future__ import annotations

import contextlib
import copy
import csv
import io
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edgefer.data.faceset import FaceSet
from edgefer.models import ModelSpec
from edgefer.training.augment import augment
from edgefer.training.checkpoint import Checkpoint, save_checkpoint
from edgefer.training.device import (
    Accelerator,
    choose_device,
    has_bfloat16,
    keep_strided_depthwise_in_float32,
)
from edgefer.training.freezing import train_mode
from edgefer.training.interrupt import StopRequest, stop_on_signal
from edgefer.training.objectives import make_objective
from edgefer.training.optimize import follow, make_optimizers, set_learning_rates
from edgefer.training.predict import predict
from edgefer.training.progress import Pace, Progress
from edgefer.training.recipe import Augmentation, Recipe, Stage
from edgefer.training.selection import check_pair, choose_faces, describe
from edgefer.training.state import Position, load_state, save_state
from edgefer_runtime.contract import InputContract
from edgefer_runtime.files import write_whole


def train(
    spec: ModelSpec,
    recipe: Recipe,
    train: FaceSet,
    validation: FaceSet,
    out: Path,
    *,
    variant: str | None = None,
    initial: Checkpoint | None = None,
    resume: bool = False,
    accelerator: Accelerator = "auto",
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Path:
    """Train a model and return the path of its best checkpoint.

    ``out`` receives ``best`` (best validation accuracy of the latest stage) and ``last`` checkpoints of
    the averaged weights, ``log.csv``, and the state from which an interrupted run resumes exactly.
    A checkpoint of an earlier stage carries the input size it was trained at. On Ctrl-C or SIGTERM the
    state is saved before leaving. On a CPU the result depends on nothing but the arguments and the
    number of threads.

    Args:
        spec, variant: what to train.
        recipe: how.
        train, validation: faces with the same classes; the validation faces choose the best epoch.
        out: folder for the results; an earlier run there is replaced.
        initial: weights to begin with, instead of fresh ones.
        resume: go on with the run that was interrupted in ``out``.
        accelerator: where to compute.
        seed: of initial weights, order and augmentation.
        on_progress: called after every step.

    Raises:
        DataError: the sets do not go together, a stage finds no faces, or ``out`` cannot be written.
        UsageError: no such variant, or nothing that could be resumed.
        DeviceError: the accelerator is not there.
    """
    check_pair(train, validation)
    device = choose_device(accelerator)
    with torch.random.fork_rng([device] if device.type == "cuda" else []), stop_on_signal() as stop:
        torch.manual_seed(seed)
        network = spec.build(variant, len(train.classes))
        if initial is not None:
            network.load_state_dict(initial.network().state_dict())
        run = _Run(
            spec=spec,
            variant=variant or spec.default_variant,
            network=network,
            recipe=recipe,
            train=train,
            validation=validation,
            out=out,
            device=device,
            seed=seed,
            on_progress=on_progress,
            stop=stop,
        )
        if resume:
            run.resume()
        run.go()
    return out / "best.json"


class _Run:
    """One training: the network, its average, the optimizer, and how far they have come."""

    def __init__(
        self,
        *,
        spec: ModelSpec,
        variant: str,
        network: nn.Module,
        recipe: Recipe,
        train: FaceSet,
        validation: FaceSet,
        out: Path,
        device: torch.device,
        seed: int,
        on_progress: Callable[[Progress], None],
        stop: StopRequest,
    ) -> None:
        self.spec, self.variant, self.recipe = spec, variant, recipe
        self.validation, self.out, self.device, self.seed = validation, out, device, seed
        self.on_progress, self.stop = on_progress, stop
        self.images = torch.from_numpy(train.images).to(device)
        self.labels = torch.from_numpy(train.labels).to(device)
        self.chosen = [choose_faces(train, stage) for stage in recipe.stages]

        self.network: nn.Module = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval()
        self.bfloat16 = recipe.stages[0].precision != "float32" and has_bfloat16(device)
        if self.bfloat16 and device.type == "cpu":
            keep_strided_depthwise_in_float32(self.network)
        self.objective = make_objective(spec, self.network, train.classes).to(device)
        self.optimizer = make_optimizers(recipe.stages[0], self.objective)[0]
        self.position, self.pace = Position(), Pace()
        self.provenance = {
            "train": describe(train),
            "validation": describe(validation),
            "seed": seed,
            "recipe": recipe.to_json(),
        }
        self.settings = {"model": spec.name, "variant": variant, **self.provenance}

    def resume(self) -> None:
        self.position = load_state(self.out, self.settings, self.network, self.average, self.optimizer)

    def go(self) -> None:
        position, stages = self.position, self.recipe.stages
        while True:
            stage = stages[position.stage]
            patience = stage.patience or stage.epochs
            while position.epoch < stage.epochs and position.epoch - position.best_epoch <= patience:
                self.train_epoch(stage)
                self.validate(stage)
                position.begin_epoch(position.epoch + 1)
                self.save()
                if self.stop:
                    self.stop.leave()
            if position.stage + 1 == len(stages):
                return
            position.begin_stage()

    def train_epoch(self, stage: Stage) -> None:
        position = self.position
        train_mode(self.network, stage)
        self.objective.begin(stage)
        contract = self.contract(stage)
        augmentation = stage.augmentation.scaled(stage.augmentation_strength)
        randomness = np.random.default_rng((self.seed, position.stage, position.epoch))
        order = torch.from_numpy(randomness.permutation(self.chosen[position.stage])).to(self.device)
        steps = self.steps_per_epoch(position.stage)
        while position.step < steps:
            started = time.perf_counter()
            batch = order[position.step * stage.batch_size :][: stage.batch_size]
            self.set_learning_rate(stage)
            self.train_step(self.images[batch], self.labels[batch], stage, contract, augmentation)
            position.step += 1
            position.done_steps += 1
            self.pace.add(time.perf_counter() - started, stage.batch_size * stage.size**2)
            self.report()
            if self.stop:
                self.save()
                self.stop.leave()

    def train_step(
        self,
        images: Tensor,
        labels: Tensor,
        stage: Stage,
        contract: InputContract,
        augmentation: Augmentation,
    ) -> None:
        position = self.position
        seeds = np.random.SeedSequence((self.seed, position.done_steps)).generate_state(2)
        generator = torch.Generator(self.device).manual_seed(int(seeds[0]))
        torch.manual_seed(int(seeds[1]))  # dropout
        inputs = augment(images, contract, augmentation, generator)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else contextlib.nullcontext():
            loss, scores = self.objective(inputs, labels)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        if stage.gradient_clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), stage.gradient_clip)
        self.optimizer.step()
        follow(self.average, self.network, decay=stage.ema_decay, done_steps=position.done_steps)
        position.loss_sum += loss.item() * len(labels)
        position.correct += int((scores.argmax(1) == labels).sum())
        position.seen += len(labels)

    def validate(self, stage: Stage) -> None:
        position, contract, truth = self.position, self.contract(stage), self.validation.labels
        probabilities = predict(
            self.average,
            contract,
            self.validation.images,
            batch_size=stage.batch_size,
            device=self.device,
            output=self.spec.output,
        )
        accuracy = float((probabilities.argmax(1) == truth).mean())
        loss = float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean())
        position.history.append(
            {
                "stage": position.stage + 1,
                "epoch": position.epoch + 1,
                "size": stage.size,
                "learning_rate": self.set_learning_rate(stage),
                "loss": position.mean_loss,
                "accuracy": position.mean_accuracy,
                "validation_loss": loss,
                "validation_accuracy": accuracy,
            }
        )
        checkpoint = Checkpoint(
            model=self.spec.name,
            variant=self.variant,
            classes=self.validation.classes,
            contract=contract,
            weights=self.average.state_dict(),
            provenance={
                **self.provenance,
                "torch": torch.__version__,
                "epochs": len(position.history),
                "steps": position.done_steps,
                "validation_accuracy": accuracy,
            },
        )
        save_checkpoint(self.out / "last", checkpoint)
        if (accuracy, -loss) > (position.best_accuracy, -position.best_loss):
            position.best_accuracy, position.best_loss, position.best_epoch = accuracy, loss, position.epoch
            save_checkpoint(self.out / "best", checkpoint)
        self.report()

    def save(self) -> None:
        if self.position.history:
            table = io.StringIO()
            writer = csv.DictWriter(table, list(self.position.history[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.position.history)
            write_whole(self.out / "log.csv", table.getvalue().encode())
        save_state(self.out, self.settings, self.position, self.network, self.average, self.optimizer)

    def report(self) -> None:
        position, stages = self.position, self.recipe.stages
        stage = stages[position.stage]
        planned = [self.steps_per_epoch(number) * each.epochs for number, each in enumerate(stages)]
        done = position.epoch * self.steps_per_epoch(position.stage) + position.step
        left = [0] * position.stage + [planned[position.stage] - done] + planned[position.stage + 1 :]
        pixels = sum(steps * each.batch_size * each.size**2 for steps, each in zip(left, stages, strict=True))
        self.on_progress(
            Progress(
                stage=position.stage + 1,
                stages=len(stages),
                epoch=position.epoch + 1,
                epochs=stage.epochs,
                step=sum(planned) - sum(left),
                steps=sum(planned),
                loss=position.mean_loss,
                accuracy=position.mean_accuracy,
                validation_accuracy=position.history[-1]["validation_accuracy"] if position.history else None,
                eta_s=self.pace.eta_s(pixels),
            )
        )

    def contract(self, stage: Stage) -> InputContract:
        return replace(self.spec.contract, height=stage.size, width=stage.size)

    def steps_per_epoch(self, stage: int) -> int:
        """Whole batches only: a batch of one face has no variance to normalise by."""
        return max(1, len(self.chosen[stage]) // self.recipe.stages[stage].batch_size)

    def set_learning_rate(self, stage: Stage) -> float:
        position, steps = self.position, self.steps_per_epoch(self.position.stage)
        return set_learning_rates(
            [self.optimizer],
            stage,
            epoch=position.epoch,
            part=(position.epoch + position.step / steps) / stage.epochs,
            history=[row for row in position.history if row["stage"] == position.stage + 1],
            done_steps=position.done_steps,
        )
