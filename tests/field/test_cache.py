"""Kind: a damaged cache is believed. Right: the number that it would be without a cache, and a line about it.

Found by trying edgefer (faults.md A.1): with 400 of the 3,500 rows of the float network's kept answers
shuffled, `edgefer bench` told of a drop of -7.57 points where it was -0.09; flipped bits and another type
passed, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from edgefer.data import load
from edgefer.data.cache import cache_folder
from edgefer.data.faceset import FaceSet
from edgefer.models import get
from edgefer.pipeline import candidates, references
from edgefer.pipeline.references import float_answers
from edgefer.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

FACES = "synthfer:eval[:70]"
Damage = Callable[[Path], None]


def save(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:  # numpy.save adds its own ending to a name
        np.save(file, array)


def shuffled(path: Path) -> None:
    rows = np.load(path)
    save(path, rows[np.random.default_rng(0).permutation(len(rows))])


def swapped_in_place(path: Path) -> None:
    """Two rows, with the seal left as it was."""
    content, rows = bytearray(path.read_bytes()), np.load(path)
    start = content.index(rows.tobytes())
    first, second = rows[0].tobytes(), rows[1].tobytes()
    content[start : start + 2 * len(first)] = second + first
    path.write_bytes(content)


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0x40
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def extended(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def of_strings(path: Path) -> None:
    save(path, np.load(path).astype("U12"))


def of_the_first_format(path: Path) -> None:
    """As the first edgefer kept it: the array alone."""
    save(path, np.zeros_like(np.load(path)))


DAMAGES = (shuffled, swapped_in_place, flipped, cut, extended, of_strings, of_the_first_format)


def command(*words: str, cache: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "edgefer.cli.main", *words],
        cwd=cwd,
        env={**os.environ, "EDGEFER_CACHE": str(cache)},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    return done


def bench(cache: Path, folder: Path) -> tuple[dict[str, object], str]:
    """What `edgefer bench` says of the drop, and on standard error."""
    words = ("bench", "out/onnxruntime-int8", "--data", FACES, "--duration", "0.1", "--json")
    done = command(*words, cache=cache, cwd=folder)
    (record,) = json.loads(done.stdout)
    assert record["drop"]["points"] is not None
    return record["drop"], done.stderr


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, object]]:
    """A cache, the folder of an INT8 export, and its drop."""
    folder = tmp_path_factory.mktemp("exported")
    rendered = cache_folder() / "synthfer"  # where they are rendered already, they are taken from there
    rendered.mkdir(parents=True, exist_ok=True)
    (folder / "cache").mkdir()
    (folder / "cache/synthfer").symlink_to(rendered)
    words = ("export", "pattlite", "--int8", "--target", "onnxruntime", "-o", "out", "--data", FACES)
    command(*words, "--calibration", "synthfer:train[:70]", cache=folder / "cache", cwd=folder)
    drop, told = bench(folder / "cache", folder)
    assert "made anew" not in told
    return folder / "cache", folder, drop


@pytest.mark.slow
@pytest.mark.parametrize("damage", [shuffled, flipped, of_strings])
def test_bench_gives_the_old_number_and_says_that_the_entry_was_made_anew(
    exported: tuple[Path, Path, dict[str, object]], damage: Damage
) -> None:
    """A damaged cache of float answers (faults.md A.1): the drop as before, one line on standard error."""
    cache, folder, drop = exported
    (path,) = (cache / "answers").iterdir()
    whole = path.read_bytes()
    damage(path)
    assert path.read_bytes() != whole
    again, told = bench(cache, folder)
    assert again == drop
    assert told.count("made anew") == 1 and str(path) in told and "Traceback" not in told
    assert path.read_bytes() == whole
    assert "made anew" not in bench(cache, folder)[1]


@pytest.fixture(autouse=True)
def empty(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFER_CACHE", str(tmp_path / "cache"))


def trained(folder: Path, seed: int = 0) -> Checkpoint:
    spec = get("pattlite")
    torch.manual_seed(seed)
    weights = spec.build("head", 3).state_dict()
    checkpoint = Checkpoint("pattlite", "head", ("anger", "joy", "neutral"), spec.contract, weights)
    return load_checkpoint(save_checkpoint(folder / f"{seed}" / "best", checkpoint))


def noise(seed: int = 0) -> FaceSet:
    images = np.random.default_rng(seed).integers(0, 256, (6, 24, 24, 3), dtype=np.uint8)
    return FaceSet("noise:test", images, np.arange(6) % 3, ("neutral", "anger", "joy"), {})


def answers(folder: Path) -> Callable[[], np.ndarray]:
    checkpoint, faces = trained(folder), noise()
    return lambda: float_answers(checkpoint, faces)


def rendered(folder: Path) -> Callable[[], np.ndarray]:
    from edgefer.data.synthetic.cache import load_split

    return lambda: load_split("eval", 3, size=16, workers=1).images


def decoded(folder: Path) -> Callable[[], np.ndarray]:
    for number, name in enumerate(("happy", "sad", "sad")):
        (folder / "set" / name).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "set" / name / f"{number}.png")
    return lambda: load(str(folder / "set"), memory_limit_bytes=0).images[:]


Asking = tuple[Callable[[], np.ndarray], Path, np.ndarray]
"""How something is asked for, where it is kept, and what it is."""
KINDS = (answers, rendered, decoded)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_damaged_entry_of_any_kind_is_believed(
    kind: Callable[[Path], Callable[[], np.ndarray]],
    damage: Damage,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Answers, rendered and decoded faces (sisters of faults.md A.1): what they were, and told of once."""
    ask = kind(tmp_path)
    whole = ask().copy()
    (path,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    kept = path.read_bytes()
    damage(path)
    assert path.read_bytes() != kept
    assert np.array_equal(ask(), whole) and path.read_bytes() == kept
    assert caplog.messages == [f"note: cache: {path} was damaged or of another version: made anew"]
    assert np.array_equal(ask(), whole) and len(caplog.messages) == 1


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Asking]]:
    """How answers and decoded faces are asked for, and where each is kept."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for kind in (answers, decoded):
            folder = tmp_path_factory.mktemp(kind.__name__)
            patch.setenv("EDGEFER_CACHE", str(folder / "cache"))
            ask = kind(folder)
            whole = ask().copy()
            (path,) = (path for path in (folder / "cache").rglob("*") if path.is_file())
            found.append((ask, path, whole))
        yield found


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_byte_is_changed_the_number_stays(
    asking: list[Asking], monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """Bytes changed, cut off, put in or another entry's (faults.md A.1), at the doors users take."""
    ask, path, whole = asking[which := data.draw(st.integers(0, 1), "which")]
    monkeypatch.setenv("EDGEFER_CACHE", str(path.parents[1]))
    good = path.read_bytes()
    place, some = data.draw(st.integers(0, len(good) - 1)), data.draw(st.binary(min_size=1, max_size=9))
    bad = data.draw(
        st.sampled_from(
            [
                good[:place],
                good[:place] + some + good[place:],
                good[:place] + some + good[place + len(some) :],
                asking[1 - which][1].read_bytes(),
            ]
        )
    )
    path.write_bytes(bad)
    assert np.array_equal(ask(), whole) and path.read_bytes() == good


def test_answers_are_of_one_network_one_contract_and_these_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A key of all that answers depend on: weights, contract, classes, faces side by side; code in place."""
    one, two = trained(tmp_path, 0), trained(tmp_path, 1)
    darker = replace(one, contract=replace(one.contract, mean=(0.0, 0.0, 0.0)))
    renamed = replace(one, classes=("joy", "anger", "neutral"))
    asked = [(one, noise()), (two, noise()), (darker, noise()), (renamed, noise()), (one, noise(1))]
    first = [float_answers(*each) for each in asked]
    assert len({each.tobytes() for each in first}) == 5
    files = sorted((tmp_path / "cache/answers").iterdir())
    assert len(files) == 5
    # Each file in another's place: nobody is answered with another's answers.
    contents = [path.read_bytes() for path in files]
    for path, content in zip(files, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)
    again = [float_answers(*each) for each in asked]
    assert all(np.array_equal(old, new) for old, new in zip(first, again, strict=True))
    assert len(caplog.messages) == 5 and [path.read_bytes() for path in files] == contents
    caplog.clear()
    monkeypatch.setattr(references.edgefer, "__version__", "0.0.0")
    float_answers(one, noise())
    assert len(caplog.messages) == 1 and len(list((tmp_path / "cache/answers").iterdir())) == 5


def test_an_entry_of_another_library_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What another Pillow decoded, or another torch answered, is not this one's."""
    for kind, where, other in (
        (decoded, "PIL.__version__", "1.0"),
        (answers, "edgefer.pipeline.references._version", lambda package: "1.0"),
        (answers, "edgefer.pipeline.references._code", lambda: "other code"),
    ):
        with monkeypatch.context() as patch:
            folder = tmp_path / kind.__name__ / where
            patch.setenv("EDGEFER_CACHE", str(folder / "cache"))
            ask = kind(folder)
            caplog.clear()
            ask()
            assert not caplog.messages
            patch.setattr(where, other)
            ask()
            assert len(caplog.messages) == 1 and caplog.messages[0].endswith("made anew")


def test_a_picture_of_the_same_size_and_time_is_another_picture(tmp_path: Path) -> None:
    """A picture exchanged with its size and time of change kept, as copying tools do: decoded anew."""
    ask = decoded(tmp_path)
    before = ask().copy()
    picture = tmp_path / "set/happy/0.png"
    other = np.asarray(Image.open(picture))[::-1]
    status = picture.stat()
    for level in range(10):
        Image.fromarray(other).save(picture, compress_level=level)
        content = picture.read_bytes()
        if len(content) <= status.st_size:
            picture.write_bytes(content + bytes(status.st_size - len(content)))
            break
    assert picture.stat().st_size == status.st_size
    os.utime(picture, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not np.array_equal(ask(), before)


def test_a_search_on_one_processor_is_not_anothers(
    recorded_machine: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal of `--max-drop` (a sister): answers depend on processor and libraries, and so its key."""
    machines = [candidates.machine(recorded_machine(name)) for name in ("x86", "raspberry-pi-5")]
    monkeypatch.setattr(candidates, "packages", lambda: {"onnxruntime": "1.0"})
    machines += [candidates.machine(), candidates.machine(recorded_machine("x86"))]
    assert len({*machines}) == 4
