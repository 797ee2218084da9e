"""What is known about a model before a single weight exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Literal, NamedTuple

from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import CheckError, UsageError
from edgefer_runtime.suggestions import unknown

if TYPE_CHECKING:
    from torch import nn

    from edgefer.models.anatomy import Anatomy


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row of a paper's accuracy table.

    Attributes:
        setting: the row's name in the paper.
        tag: ``"usable"`` as a target, ``"doubtful"`` when other figures speak against it, or ``"leaked"``
            when test data helped to make the figure.
        percent: accuracy as printed, by data set and subset.
        note: why it may not be used, or what to mind when it is.
    """

    setting: str
    tag: Literal["usable", "doubtful", "leaked"]
    percent: Mapping[str, float]
    note: str = ""


class Counts(NamedTuple):
    """What a network of seven classes weighs; tests hold it to the network (:mod:`edgefer.models.figures`).

    Attributes:
        parameters: trainable ones.
        keras_total: those and moving statistics, as a Keras summary counts.
        macs: multiply-adds for one face.
    """

    parameters: int
    keras_total: int
    macs: int


@dataclass(frozen=True, slots=True)
class InputSizes:
    """Which sides of a square input a network takes, in pixels.

    Attributes:
        least: the smallest.
        multiple, reduction: the maps that the network cuts up, ``reduction`` times smaller than the input and
            rounded up, have to be a multiple of this.
    """

    least: int = 1
    multiple: int = 1
    reduction: int = 1

    def __contains__(self, size: int) -> bool:
        return size >= self.least and -(-size // self.reduction) % self.multiple == 0

    def near(self, size: int) -> list[int]:
        """The sizes next to ``size`` that are taken, at most one to either side."""
        step = self.multiple * self.reduction
        below = next((each for each in range(size, max(0, size - step - 1), -1) if each in self), None)
        above = next(
            each for each in range(max(size, self.least), max(size, self.least) + step + 1) if each in self
        )
        return [each for each in (below, above) if each is not None]

    def __str__(self) -> str:
        if self.multiple == 1:
            return f"{self.least} pixels or more"
        return f"a multiple of {self.multiple * self.reduction} pixels, or up to {self.reduction - 1} less"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model of the zoo.

    Attributes:
        name: the word on the command line.
        title: the name as the paper writes it.
        paper: the reference.
        variants: the model's switches; the model's own module explains them.
        default_variant: the one meant when none is named.
        contract: what the network takes.
        published_parameters: the paper's own count for seven classes.
        published_convention: what that count includes.
        module: where ``build(variant, classes)`` and ``anatomy(network)`` live; imported when first needed.
        sizes: of every variant, so that nobody builds networks to list them.
        published: the accuracies that the paper reports.
        sizes: the input sizes that the network takes, in training and in an engine.
        variant_sizes: those of variants that take others.
        output: what the network returns.
        research_variants: those of the variants that are never exported, and the block that forbids it.
    """

    name: str
    title: str
    paper: str
    variants: tuple[str, ...]
    default_variant: str
    contract: InputContract
    published_parameters: int
    published_convention: str
    module: str
    counts: Mapping[str, Counts]
    published: tuple[PublishedRow, ...]
    sizes: InputSizes = InputSizes()
    variant_sizes: Mapping[str, InputSizes] = field(default_factory=dict)
    output: Literal["logits", "probabilities"] = "logits"
    research_variants: Mapping[str, str] = field(default_factory=dict)

    def resolve_variant(self, variant: str | None) -> str:
        """``variant``, or the default one for None.

        Raises:
            UsageError: the model has no such variant.
        """
        if variant not in (None, *self.variants):
            leave = f"leave the variant out for {self.default_variant!r}"
            raise unknown(f"variant of {self.name}", str(variant), self.variants, action=leave)
        return variant or self.default_variant

    def require_size(self, size: int, variant: str | None) -> None:
        """Refuse an input size that the network cannot compute.

        Raises:
            UsageError: the variant takes no ``size`` x ``size`` pixels, or there is none of that name.
        """
        variant = self.resolve_variant(variant)
        sizes = self.variant_sizes.get(variant, self.sizes)
        if size not in sizes:
            raise UsageError(
                f"{self.name} of variant {variant!r} with input of {size} x {size} pixels",
                expected=f"{sizes}",
                action=f"choose {' or '.join(map(str, sizes.near(size)))} pixels",
            )

    def require_deployable(self, variant: str | None) -> None:
        """Refuse what must not reach a robot.

        Raises:
            CheckError: the variant is for research only.
            UsageError: there is none of that name.
        """
        if (resolved := self.resolve_variant(variant)) in self.research_variants:
            reason = self.research_variants[resolved]
            raise CheckError(
                f"{self.name} of variant {resolved!r} is for research only: {reason}",
                expected=f"one of {', '.join(each for each in self.variants if each != resolved)}",
                action=f"leave the variant out for {self.default_variant!r}",
            )

    def build(self, variant: str | None, classes: int) -> nn.Module:
        """A network with fresh weights, float32 N x C x H x W -> N x ``classes``.

        Raises:
            UsageError: the model has no such variant, or ``classes`` is below two.
        """
        variant = self.resolve_variant(variant)
        if classes < 2:
            raise UsageError(f"{self.name} for {classes} classes", expected="at least 2")
        network: nn.Module = import_module(self.module).build(variant, classes)
        return network

    def anatomy(self, network: nn.Module) -> Anatomy:
        """Where a network that this built has its last maps and its features."""
        anatomy: Anatomy = import_module(self.module).anatomy(network)
        return anatomy
