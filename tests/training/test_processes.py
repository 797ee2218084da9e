"""Several processes train what one would."""

import csv
import importlib
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from edgefer.training.loop import train
from edgefer.training.processes import Place, _free_port, find_place, helpers
from edgefer.training.recipe import Augmentation, Optimizer, Recipe, Schedule, Stage
from edgefer_runtime.errors import CheckError, DeviceError, UsageError

VARIED = Augmentation(flip=0.5, rotation_degrees=10, translation=0.1, brightness=0.3, noise=9, erasing=0.5)
HOW = {"optimizer": Optimizer("adamw"), "augmentation": VARIED, "precision": "float32"}
RECIPE = Recipe(
    "shared",
    (
        # Seven faces cannot be halved.
        Stage(16, 2, 7, 1e-2, Schedule("cosine"), ema_decay=0.9, **HOW),
        Stage(16, 2, 8, 1e-2, **(HOW | {"optimizer": Optimizer("sgd")}), trainable="head"),
    ),
)


@given(count=st.integers(0, 200), devices=st.integers(1, 5), nodes=st.integers(1, 4))
def test_shares_are_a_whole_and_nearly_equal(count, devices, nodes):
    places = [Place(devices, nodes, node, local) for node in range(nodes) for local in range(devices)]
    shares = [list(range(count)[place.share(count)]) for place in places]
    assert list(itertools.chain(*shares)) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


LAUNCHED = {"LOCAL_RANK": "1", "RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29"}


def test_a_launchers_variables_are_the_place(monkeypatch):
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    place = find_place(2, 2)
    assert place == Place(2, 2, node=1, local_rank=1, address="10.0.0.1", port=29, started=True)
    assert (place.rank, place.processes) == (3, 4)
    with pytest.raises(UsageError, match="4 processes for 1 devices on each of 2 nodes"):
        find_place(1, 2)


def test_a_node_says_which_it_is(monkeypatch):
    with pytest.raises(UsageError, match="MASTER_ADDR, MASTER_PORT, NODE_RANK not set"):
        find_place(2, 2)
    for name, value in {"NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29"}.items():
        monkeypatch.setenv(name, value)
    assert find_place(2, 2) == Place(2, 2, node=1, address="10.0.0.1", port=29)


def run(tiny, toy, out, devices, recipe=RECIPE, **kwargs):
    sets = toy(32), toy(150, seed=1)
    train(tiny, recipe, *sets, out, accelerator="cpu", devices=devices, seed=4, **kwargs)


def curve(out: Path) -> np.ndarray:
    """Losses and accuracies of all epochs."""
    columns = ("loss", "accuracy", "validation_loss", "validation_accuracy")
    return np.array(
        [[float(row[name]) for name in columns] for row in csv.DictReader((out / "log.csv").open())]
    )


@pytest.fixture(scope="module")
def alone(tiny, toy, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone")
    run(tiny, toy, out, 1)
    return out


def test_two_processes_train_the_network_that_one_trains(tiny, toy, tmp_path, alone):
    """Without batch normalisation and dropout, which see the faces of one process only, to rounding."""
    seen = []
    run(tiny, toy, tmp_path, 2, on_progress=seen.append)
    assert [event.step for event in seen if event.validation_accuracy is None] == [1, 2, 3, 4]
    np.testing.assert_allclose(curve(tmp_path), curve(alone), rtol=1e-4)
    one, two = (load_file(out / "last.safetensors") for out in (alone, tmp_path))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-5)
    cards = [json.loads((out / "last.json").read_text()) for out in (alone, tmp_path)]
    assert [card["provenance"].pop("processes") for card in cards] == [1, 2]
    assert cards[0]["provenance"].keys() == cards[1]["provenance"].keys()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in alone.iterdir())


@pytest.mark.slow
def test_batch_normalisation_sees_half_a_batch_in_each_of_two_processes(tiny, toy, tmp_path):
    recipe = Recipe("norms", (Stage(16, 3, 32, 5e-3, **HOW),))
    for devices in (1, 2):
        run(tiny, toy, tmp_path / str(devices), devices, recipe, variant="norm")
    one, two = curve(tmp_path / "1")[:, 0], curve(tmp_path / "2")[:, 0]
    np.testing.assert_allclose(two, one, rtol=0.05)
    assert not np.allclose(two, one, rtol=1e-4)


@pytest.mark.slow
def test_two_processes_stop_and_resume_exactly(tiny, toy, tmp_path):
    run(tiny, toy, tmp_path / "whole", 2)

    def watch(event):
        if event.step == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        run(tiny, toy, tmp_path / "parts", 2, on_progress=watch)
    run(tiny, toy, tmp_path / "parts", 2, resume=True)
    whole, parts = (load_file(tmp_path / name / "state.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(parts[name], value) for name, value in whole.items())
    with pytest.raises(UsageError, match="nothing to resume"):
        run(tiny, toy, tmp_path / "nothing", 2, resume=True)


NODE = """
import pickle, sys
from edgefer.training.loop import train
arguments, options = pickle.load(sys.stdin.buffer)
train(*arguments, **options)
"""


@pytest.mark.slow
def test_nodes_that_are_started_by_hand_find_each_other(tiny, toy, tmp_path, alone):
    """Two nodes of one process each; the second writes nothing."""
    options = {"accelerator": "cpu", "nodes": 2, "seed": 4}
    port, nodes = _free_port(), []
    for node in range(2):
        arguments = (tiny, RECIPE, toy(32), toy(150, seed=1), tmp_path / str(node))
        place = {"NODE_RANK": str(node), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        nodes.append(
            subprocess.Popen(
                [sys.executable, "-c", NODE],
                stdin=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **place},
            )
        )
        with nodes[-1].stdin as orders:
            orders.write(pickle.dumps((arguments, options)))
    assert [node.wait(timeout=300) for node in nodes] == [0, 0]
    np.testing.assert_allclose(curve(tmp_path / "0"), curve(alone), rtol=1e-4)
    assert not (tmp_path / "1").exists()


def test_batches_too_small_to_share_are_refused(tiny, toy, tmp_path):
    with pytest.raises(UsageError, match="batches of 7 faces for 4 processes"):
        run(tiny, toy, tmp_path, 4)


@pytest.fixture
def jobs(tiny):
    """Functions that processes can import where they can import the network."""
    return importlib.import_module("jobs")


def test_a_process_that_fails_is_named(jobs):
    with pytest.raises(DeviceError, match="process 1 failed with status 3"), helpers(Place(2), jobs.fail):
        pass


def test_a_process_that_is_killed_is_the_reason_for_a_broken_connection(jobs):
    """As when memory runs out."""
    with pytest.raises(DeviceError, match="process 1 was ended by signal 9"), helpers(Place(2), jobs.die):
        raise ConnectionError


def test_a_process_that_cannot_start_is_not_waited_for(jobs, monkeypatch):
    monkeypatch.setattr(sys, "path", [each for each in sys.path if not each.endswith("networks")])
    with pytest.raises(DeviceError, match="process 1 failed with status 1"), helpers(Place(2), jobs.wait):
        pytest.fail("the block begins before its helpers")


def test_what_the_block_raises_comes_through_and_ends_the_processes(jobs):
    with pytest.raises(CheckError, match="no longer finite"), helpers(Place(3), jobs.wait):
        raise CheckError("no longer finite")


def test_no_process_is_started_where_a_launcher_has(jobs):
    with helpers(Place(2, started=True), jobs.fail):
        pass
