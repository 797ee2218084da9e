"""Losses against straightforward computations, and who learns from them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from edgefer.models import dsan, get, gmslpa
from edgefer.training.checkpoint import Checkpoint
from edgefer.training.objectives import make_objective
from edgefer.training.objectives.base import CrossEntropy, cross_entropy
from edgefer.training.objectives.dsan import FeatureRecalibration, compactness, separation
from edgefer.training.objectives.gmslpa import GlobalAndLocal
from edgefer.training.objectives.teacher import Teacher, as_logits, disagreement
from edgefer.training.recipe import Centres, Distillation, Stage
from edgefer_runtime.errors import DataError

STAGE = Stage(32, 1, 4, 1e-3)
CLASSES = ("one", "two", "three")
LABELS = torch.tensor([0, 2, 1, 2])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


class Fixed(nn.Module):
    """A network whose outputs are parameters, one row a face."""

    def __init__(self, **outputs: Tensor) -> None:
        super().__init__()
        self.names, self.outputs = list(outputs), nn.ParameterDict(outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.outputs["scores"]

    def branches(self, images: Tensor) -> list[Tensor]:
        return [self.outputs[name] for name in self.names]


def fixed_dsan() -> Fixed:
    return Fixed(
        global_logits=normal(4, 3, seed=1),
        local_logits=normal(4, 3, seed=2),
        embedding=normal(4, dsan.WIDTH, seed=3).relu(),
        attention=normal(4, dsan.WIDTH, seed=4).relu(),
    )


IMAGES = torch.zeros(4, 3, 2, 2)


class TestCrossEntropy:
    @settings(deadline=None)
    @given(
        arrays(np.float64, (5, 3), elements=st.floats(-20, 20)),
        arrays(np.int64, 5, elements=st.integers(0, 2)),
        st.floats(0, 1),
        arrays(np.float64, 3, elements=st.floats(0, 4)),
    )
    def test_it_is_what_it_says(self, logits, labels, smoothing, weights):
        logs = np.log(softmax(logits))
        each = [
            -(1 - smoothing) * row[y] - smoothing * row.mean() for row, y in zip(logs, labels, strict=True)
        ]
        expected = sum(weights[y] * loss for y, loss in zip(labels, each, strict=True)) / 5
        found = cross_entropy(*map(torch.from_numpy, (logits, labels)), smoothing, torch.from_numpy(weights))
        assert found.item() == pytest.approx(expected, rel=1e-6, abs=1e-9)

    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_unweighted_it_is_torchs(self, smoothing):
        logits = normal(4, 3)
        expected = nn.functional.cross_entropy(logits, LABELS, label_smoothing=smoothing)
        torch.testing.assert_close(cross_entropy(logits, LABELS, smoothing), expected)
        votes = normal(4, 3, seed=1).softmax(1)
        expected = nn.functional.cross_entropy(logits, votes, label_smoothing=smoothing)
        torch.testing.assert_close(cross_entropy(logits, votes, smoothing), expected)

    def test_unanimous_votes_are_labels(self):
        logits, weights = normal(4, 3), torch.tensor([0.5, 1.0, 2.0])
        votes = nn.functional.one_hot(LABELS, 3).float()
        torch.testing.assert_close(
            cross_entropy(logits, votes, 0.1, weights), cross_entropy(logits, LABELS, 0.1, weights)
        )

    def test_a_network_of_probabilities_learns_as_one_of_logits(self):
        logits = normal(4, 3)
        losses = []
        for scores, output in ((logits, "logits"), (logits.softmax(1), "probabilities")):
            objective = CrossEntropy(Fixed(scores=scores), output)
            objective.begin(STAGE)
            losses.append(objective(IMAGES, LABELS))
            torch.testing.assert_close(losses[-1].scores, scores)
        torch.testing.assert_close(losses[0].loss, losses[1].loss)

    def test_the_stage_brings_smoothing_and_the_loop_weights(self):
        logits, weights = normal(4, 3), torch.tensor([0.5, 1.0, 2.0])
        objective = CrossEntropy(Fixed(scores=logits))
        objective.begin(replace(STAGE, label_smoothing=0.2), weights)
        torch.testing.assert_close(
            objective(IMAGES, LABELS).loss, cross_entropy(logits, LABELS, 0.2, weights)
        )


class TestDSAN:
    def test_the_loss_is_the_papers(self):
        """Eq. 3 to 6 and 11, written down once more, one sum after the other."""
        network = fixed_dsan()
        objective = FeatureRecalibration(network, 3)
        objective.begin(replace(STAGE, centres=Centres(compactness=0.3, separation=0.2)))
        z1, z2, h, a = (value.detach().numpy().astype(float) for value in network.branches(IMAGES))
        c, y = objective.centres.detach().numpy().astype(float), LABELS.numpy()
        fr_ce = -np.mean([np.log(softmax(z1)[i, y[i]]) for i in range(4)])
        fr_c = sum(
            a[i, j] * (a[i, j] * h[i, j] - c[y[i], j]) ** 2 for i in range(4) for j in range(dsan.WIDTH)
        ) / (2 * 4)
        ccs = sum(
            c[i] @ c[j] / (np.linalg.norm(c[i]) * np.linalg.norm(c[j])) + 1
            for i in range(3)
            for j in range(3)
            if i != j
        )
        ce = -np.mean([np.log(softmax(z2)[i, y[i]]) for i in range(4)])
        losses = objective(IMAGES, LABELS)
        expected = 0.4 * (fr_ce + 0.3 * fr_c + 0.2 * ccs) + 0.6 * ce
        assert losses.loss.item() == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(
            losses.scores.detach().numpy(), 0.4 * softmax(z1) + 0.6 * softmax(z2), rtol=1e-5
        )

    def test_orthogonal_centres_of_seven_classes_cost_42(self):
        assert separation(torch.eye(7, 128)).item() == pytest.approx(42)
        assert separation(torch.ones(7, 128)).item() == pytest.approx(84)
        assert torch.isfinite(separation(torch.zeros(7, 128)))

    def test_only_distance_and_separation_move_the_centres(self):
        for centres, moves in (
            (Centres(), True),
            (Centres(compactness=0), True),
            (Centres(separation=0), True),
            (Centres(compactness=0, separation=0), False),
        ):
            objective = FeatureRecalibration(fixed_dsan(), 3)
            objective.begin(replace(STAGE, centres=centres))
            objective(IMAGES, LABELS).loss.backward()
            assert bool(objective.centres.grad.abs().sum() > 0) is moves

    @pytest.mark.parametrize("detached", [False, True])
    def test_a_detached_weight_only_counts(self, detached):
        attention, embedding = (normal(4, 128, seed=seed).relu() for seed in (1, 2))
        attention.requires_grad_()
        centres = normal(3, 128, seed=3)
        both = dsan.Branches(embedding, embedding, embedding, attention)
        compactness(both, LABELS, centres, detach_weight=detached).backward()
        a, h, c = attention.detach(), embedding, centres[LABELS]
        through_feature = 2 * a * h * (a * h - c)
        through_weight = (a * h - c) ** 2
        expected = (through_feature + (0 if detached else through_weight)) / (2 * 4)
        torch.testing.assert_close(attention.grad, expected)

    def test_its_gradients_are_right(self):
        centres = normal(3, 8).double().requires_grad_()
        attention, embedding = (normal(4, 8, seed=seed).double().requires_grad_() for seed in (1, 2))

        def both_terms(centres: Tensor, attention: Tensor, embedding: Tensor) -> Tensor:
            both = dsan.Branches(embedding, embedding, embedding, attention)
            return compactness(both, LABELS, centres, detach_weight=False) + separation(centres)

        assert torch.autograd.gradcheck(both_terms, (centres, attention, embedding))

    def test_the_most_votes_choose_the_centre(self):
        votes = torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.2, 0.7], [0.3, 0.4, 0.3], [0.0, 0.0, 1.0]])
        both, centres = dsan.Branches(*fixed_dsan().branches(IMAGES)), normal(3, 128)
        torch.testing.assert_close(
            compactness(both, votes, centres, detach_weight=False),
            compactness(both, LABELS, centres, detach_weight=False),
        )


def test_gmslpas_loss_is_the_papers():
    of_global, of_local = normal(4, 3, seed=1), normal(4, 3, seed=2)
    objective = GlobalAndLocal(Fixed(global_logits=of_global, local_logits=of_local))
    objective.begin(STAGE)
    losses = objective(IMAGES, LABELS)
    expected = 0.6 * cross_entropy(of_local, LABELS) + 0.4 * cross_entropy(of_global, LABELS)
    torch.testing.assert_close(losses.loss, expected)
    torch.testing.assert_close(losses.scores, gmslpa.Branches(of_global, of_local).logits())


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(4)), st.permutations(range(3)))
def test_neither_the_order_of_faces_nor_that_of_classes_matters(faces, classes):
    inverse = torch.argsort(torch.tensor(classes))
    plain, permuted = fixed_dsan(), fixed_dsan()
    for name, value in permuted.outputs.items():
        value.data = value.data[faces][:, classes] if name.endswith("logits") else value.data[faces]
    losses = []
    for network, labels in ((plain, LABELS), (permuted, inverse[LABELS[faces]])):
        objective = FeatureRecalibration(network, 3)
        objective.centres.data = normal(3, dsan.WIDTH)
        if network is permuted:
            objective.centres.data = objective.centres.data[classes]
        objective.begin(replace(STAGE, label_smoothing=0.1))
        losses.append(objective(IMAGES, labels).loss)
    torch.testing.assert_close(*losses)


class TestTeacher:
    @pytest.fixture
    def checkpoint(self):
        spec = get("fcsdnet")
        network = spec.build(None, 3)
        return Checkpoint(spec.name, spec.default_variant, CLASSES, spec.contract, network.state_dict())

    def taught(self, checkpoint: Checkpoint, logits: Tensor) -> CrossEntropy:
        return CrossEntropy(Fixed(scores=logits), "logits", Teacher(checkpoint, CLASSES))

    def test_disagreement_is_hintons(self):
        student, teacher, temperature = normal(4, 3).double(), normal(4, 3, seed=1).double(), 2.5
        p, q = (softmax(logits.numpy() / temperature) for logits in (teacher, student))
        expected = temperature**2 * (p * (np.log(p) - np.log(q))).sum() / 4
        assert disagreement(student, teacher, temperature).item() == pytest.approx(expected)
        assert disagreement(student, student + 3, temperature).item() == pytest.approx(0, abs=1e-12)

    def test_its_share_is_taken_from_the_labels(self, checkpoint):
        logits, faces = normal(4, 3), normal(4, 3, 32, 32)
        objective = self.taught(checkpoint, logits)
        opinion = checkpoint.network()(faces)
        for share in (0.0, 0.3, 1.0):
            how = Distillation(temperature=3, share=share)
            objective.begin(replace(STAGE, distillation=how))
            found = objective(IMAGES, LABELS, faces)
            expected = (1 - share) * cross_entropy(logits, LABELS) + share * disagreement(logits, opinion, 3)
            torch.testing.assert_close(found.loss, expected)
            torch.testing.assert_close(found.scores, logits)

    def test_it_is_neither_learnt_nor_saved_nor_put_into_training_mode(self, checkpoint):
        objective = self.taught(checkpoint, normal(4, 3))
        objective.begin(STAGE)
        objective.train()
        objective(IMAGES, LABELS, normal(4, 3, 32, 32)).loss.backward()
        assert [name for name, _ in objective.named_parameters()] == ["network.outputs.scores"]
        assert list(objective.state_dict()) == ["network.outputs.scores"]
        assert not any(layer.training for layer in objective.teacher.network.modules())
        assert all(weight.grad is None for weight in objective.teacher.network.parameters())

    def test_it_moves_with_the_student(self, checkpoint):
        objective = self.taught(checkpoint, normal(4, 3)).to(torch.float64)
        assert {weight.dtype for weight in objective.teacher.network.parameters()} == {torch.float64}

    def test_its_classes_are_found_by_name(self, checkpoint):
        faces = normal(2, 3, 32, 32)
        swapped = Teacher(checkpoint, ("three", "one", "two"))
        torch.testing.assert_close(
            swapped.logits(faces), Teacher(checkpoint, CLASSES).logits(faces)[:, [2, 0, 1]]
        )
        with pytest.raises(DataError, match="the teacher knows one, two, three"):
            Teacher(checkpoint, ("one", "two"))

    def test_probabilities_become_logits(self):
        probabilities = normal(4, 3).softmax(1)
        torch.testing.assert_close(as_logits(probabilities, "probabilities").softmax(1), probabilities)
        assert torch.isfinite(as_logits(torch.tensor([[1.0, 0.0]]), "probabilities")).all()


@pytest.mark.parametrize("model", ["lanmsff", "pattlite", "dsan"])
def test_every_model_learns_by_its_own_objective(model):
    """One step down the gradient makes the loss of the same faces smaller."""
    spec = get(model)
    torch.manual_seed(0)
    objective = make_objective(spec, spec.build(None, 3), CLASSES)
    objective.begin(replace(STAGE, dropout=0.0))
    channels = 1 if spec.contract.color == "GRAY" else 3
    images = normal(4, channels, 96, 96)
    before = objective(images, LABELS)
    before.loss.backward()
    for parameter in objective.parameters():
        assert parameter.grad is not None
        parameter.data -= 1e-3 * parameter.grad
    assert objective(images, LABELS).loss < before.loss
    objective.eval()
    torch.testing.assert_close(objective(images, LABELS).scores, objective.network(images))


def test_objectives_are_the_models_own():
    with torch.device("meta"):
        kinds = {
            model: type(make_objective(get(model), get(model).build(None, 3), CLASSES))
            for model in ("lanmsff", "pattlite", "fcsdnet", "dsan", "gmslpa")
        }
    assert kinds == {
        **dict.fromkeys(("lanmsff", "pattlite", "fcsdnet"), CrossEntropy),
        **{"dsan": FeatureRecalibration, "gmslpa": GlobalAndLocal},
    }
