"""The measuring script measures, with and without augmentation."""

import sys

from edgefer.training import throughput
from edgefer.training.recipe import Augmentation, Stage


def test_both_loops_take_as_many_turns(tiny):
    for augmentation in (Augmentation(), Augmentation(flip=0.5)):
        stage = Stage(16, 9, 4, 1e-3, augmentation=augmentation)
        found = throughput.compare(tiny, stage, steps=3)
        assert len(found.loop_s) == len(found.plain_s) == 3
        assert min(found.loop_s + found.plain_s) > 0


def test_the_ratio_is_of_medians_and_above_one_where_the_loop_is_faster():
    assert throughput.Throughput((1.0, 1.0, 9.0), (2.0, 2.0, 2.0)).ratio == 2


def test_the_command_tells_both_speeds(monkeypatch, capsys):
    words = ["lanmsff", "--steps", "1", "--size", "32", "--batch-size", "2"]
    monkeypatch.setattr(sys, "argv", ["throughput", *words])
    throughput.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("lanmsff, 32 px, 2 faces a step, ")
    assert [line.partition(":")[0] for line in lines[1:]] == ["without augmentation", "with augmentation"]
