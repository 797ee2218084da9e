"""What is written down about the epochs."""

import sys

import pytest

from edgefer.training.logs import Log
from edgefer_runtime.errors import MissingError

HISTORY = [{"epoch": 1, "loss": 1.5}, {"epoch": 2, "loss": 0.25}]


def test_the_table_has_a_row_for_each_epoch(tmp_path):
    log = Log(tmp_path)
    for count in (1, 2):
        log.write(HISTORY[:count], done_steps=10 * count)
    log.close()
    assert (tmp_path / "log.csv").read_text() == "epoch,loss\n1,1.5\n2,0.25\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_tensorboard_gets_each_epoch_at_its_step(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = Log(tmp_path, tensorboard=True)
    for count in (1, 2):
        log.write(HISTORY[:count], done_steps=10 * count)
    log.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(10, 1.5), (20, 0.25)]


def test_tensorboard_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingError, match="pip install"):
        Log(tmp_path, tensorboard=True)
