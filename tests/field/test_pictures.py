"""Picture files of every kind: the same image behind every door, or a refusal that names what is wrong."""

from __future__ import annotations

import http.client
import io
import json
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from typer.testing import CliRunner

from edgefer.cli.main import app
from edgefer.data.pictures import PictureFile
from edgefer.pipeline.footage import find_footage
from edgefer_runtime import Classifier, FaceAnalyzer
from edgefer_runtime.__main__ import main
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DataError
from edgefer_runtime.images import check_crop, decode_image, load_image
from edgefer_runtime.messages.frames import decode_frame, encode_frame

from ..runtime.serving.conftest import Server, write_tiny

ROOT = Path(__file__).parents[2]
GROUP = ROOT / "tests" / "runtime" / "golden" / "faces.webp"
"""Twelve rendered faces, 640 x 480."""
SHEET = ROOT / "docs" / "synthfer.jpg"
Pixels = NDArray[Any]
DICE = np.random.default_rng(0)
GREY = DICE.integers(0, 256, (40, 56), dtype=np.uint8)
COLOUR = DICE.integers(0, 256, (40, 56, 3), dtype=np.uint8)
DEEP = GREY.astype(np.uint16) * 257
UNIT = GREY / np.float32(255)


def saved(pixels: Pixels | Image.Image, kind: str, **options: Any) -> bytes:
    held = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(held, kind, **options)
    return held.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: Pixels, colour_type: int, *before: bytes, after: bytes = b"") -> bytes:
    """A PNG, by hand: of 16 bits where ``pixels`` have them."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour_type, 0, 0, 0)
    inside = (chunk(b"IHDR", head), *before, chunk(b"IDAT", zlib.compress(rows)), after, chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(inside)


def tiff(pixels: Pixels, bits: int, photometric: int, sample_format: int, order: str = "<") -> bytes:
    """A grey TIFF, by hand; ``pixels`` are its bytes as they are."""
    data, (height, width) = pixels.tobytes(), GREY.shape
    tags = {
        **{256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height},
        **{279: len(data), 339: sample_format},
    }
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(data))
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags.items())
    return head + data + struct.pack(order + "H", len(tags)) + entries + bytes(4)


def twelve_bits() -> Pixels:
    values = np.rint(GREY / 255 * 4095).astype(np.uint16).reshape(40, -1, 2)
    first, second = values[..., 0], values[..., 1]
    packed = [first >> 4, (first & 15) << 4 | second >> 8, second & 255]
    return np.stack(packed, -1).astype(np.uint8).reshape(40, -1)


def netpbm(head: str, values: Pixels) -> bytes:
    return f"{head}\n".encode() + values.astype(">u2").tobytes()


def with_alpha(alpha: int) -> Pixels:
    return np.dstack([COLOUR, np.full(GREY.shape, alpha, np.uint8)])


GREY_FILES = {
    "PNG 16": saved(DEEP, "PNG"),
    "PNG 16 + alpha": png(np.dstack([DEEP, np.full_like(DEEP, 65535)]), 4),
    "TIFF 16": saved(DEEP, "TIFF"),
    "TIFF 16 big-endian": saved(DEEP.astype(">u2"), "TIFF"),
    "TIFF 16 LZW": saved(DEEP, "TIFF", compression="tiff_lzw"),
    "TIFF 16 white is zero": tiff(65535 - DEEP, 16, 0, 1),
    "TIFF 12": tiff(twelve_bits(), 12, 1, 1),
    "TIFF 8 white is zero": tiff(255 - GREY, 8, 0, 1),
    "TIFF float": saved(UNIT, "TIFF"),
    "TIFF float big-endian": tiff(UNIT.astype(">f4"), 32, 1, 3, ">"),
    "TIFF float white is zero": tiff(1 - UNIT, 32, 0, 3),
    "JPEG 2000 16": saved(DEEP, "JPEG2000"),
    "PGM 16": netpbm("P5 56 40 65535", DEEP),
    "PGM 10": netpbm("P5 56 40 1023", np.rint(UNIT * 1023)),
    "PGM 10 in words": (
        "P2 56 40 1023 " + " ".join(map(str, np.rint(UNIT * 1023).astype(int).flat))
    ).encode(),
    "BMP": saved(GREY, "BMP"),
    "palette": saved(Image.fromarray(GREY).convert("P"), "PNG"),
    "GIF": saved(GREY, "GIF"),
}
COLOUR_FILES = {
    "PNG 16": png(COLOUR.astype(np.uint16) * 257, 2),
    "PNG 16 + alpha": png(with_alpha(255).astype(np.uint16) * 257, 6),
    "PPM 16": netpbm("P6 56 40 65535", COLOUR.astype(np.uint16) * 257),
    "TIFF CMYK": saved(Image.fromarray(COLOUR).convert("CMYK"), "TIFF"),
    "JPEG CMYK": saved(Image.fromarray(COLOUR).convert("CMYK"), "JPEG", quality=100, subsampling=0),
    "PNG + alpha": saved(with_alpha(255), "PNG"),
    "WebP": saved(COLOUR, "WEBP", lossless=True),
}


@pytest.mark.parametrize("kind", GREY_FILES)
def test_deep_grey_is_its_8_bit_twin(tmp_path: Path, kind: str) -> None:
    """A.2, 16 bits turn white (python-pillow #3011, #2574): scaled by what the type, or the file, holds."""
    (tmp_path / "picture").write_bytes(GREY_FILES[kind])
    expected = np.repeat(GREY[..., None], 3, axis=-1)
    assert np.array_equal(load_image(tmp_path / "picture"), expected)
    picture = PictureFile(tmp_path / "picture")
    assert picture.size() == (56, 40) and np.array_equal(picture.pixels(56, 40), expected)


@pytest.mark.parametrize("kind", COLOUR_FILES)
def test_colour_is_its_8_bit_twin(tmp_path: Path, kind: str) -> None:
    """A.2's sisters: 16 bits a channel, CMYK, opaque alpha."""
    (tmp_path / "picture").write_bytes(COLOUR_FILES[kind])
    found = load_image(tmp_path / "picture").astype(int)
    assert np.abs(found - COLOUR).max() <= (1 if "JPEG" in kind else 0)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (saved(GREY.astype(np.int32), "TIFF"), r"signed integers \(mode I\)"),
        (tiff(GREY.astype(np.uint32) << 24, 32, 1, 1), "integers of mode I in a TIFF"),
        (tiff(GREY.astype("<i2"), 16, 1, 2), "signed integers"),
        (tiff(GREY, 8, 1, 2), r"signed integers \(mode L\)"),
        (saved(GREY.astype(np.float32), "TIFF"), r"floats from 0 to 255 \(mode F\)"),
        (saved(UNIT - 1, "TIFF"), "floats from -1 to 0"),
        (saved(np.where(GREY == 7, np.nan, UNIT).astype(np.float32), "TIFF"), "floats from nan"),
        (saved(Image.new("LAB", (8, 8)), "TIFF"), "mode LAB"),
    ],
    ids=["int32", "uint32", "int16", "int8", "float 255", "negative", "nan", "LAB"],
)
def test_what_has_no_white_is_refused_by_its_mode(tmp_path: Path, content: bytes, named: str) -> None:
    """A.2's sisters: never clipped, never guessed."""
    (tmp_path / "picture").write_bytes(content)
    for read in (load_image, lambda path: PictureFile(path).pixels(8, 8)):
        with pytest.raises(DataError, match=named) as caught:
            read(tmp_path / "picture")
        assert "8 or 16 bits a channel" in caught.value.action


def test_sixteen_bits_of_which_few_are_used_are_told(tmp_path: Path) -> None:
    """A.2, a depth camera's 10 bits in a 16-bit PNG: the type's range is the rule; nearly black is said."""
    Image.fromarray(np.rint(UNIT * 1023).astype(np.uint16)).save(tmp_path / "infrared.png")
    with pytest.warns(UserWarning, match="uses 10 bits is nearly black.*multiply its values by 64"):
        found = load_image(tmp_path / "infrared.png")
    assert found.max() == 4


@pytest.mark.parametrize("alpha", [0, 128, 255])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_what_is_transparent_lies_on_white(tmp_path: Path, kind: str, alpha: int) -> None:
    """A.2's sister: what a viewer does not see is not looked at."""
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    (tmp_path / "picture").write_bytes(saved(with_alpha(alpha), kind, **options))
    expected = np.rint((COLOUR.astype(float) * alpha + 255.0 * (255 - alpha)) / 255)
    assert np.array_equal(load_image(tmp_path / "picture"), expected)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_transparent_grey_lies_on_white(depth: type) -> None:
    """A.2's sister: PNG's one transparent value."""
    grey = DEEP if depth is np.uint16 else GREY
    found = decode_image(png(grey, 0, chunk(b"tRNS", struct.pack(">H", grey[0, 0]))))
    assert np.array_equal(found[..., 0], np.where(grey == grey[0, 0], 255, GREY))


TURNED = {
    "JPEG": {"quality": 95},
    "MPO": {"quality": 95, "save_all": True, "append_images": [Image.new("RGB", (8, 8))]},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "TIFF LZW": {"compression": "tiff_lzw"},
    "TIFF 8": {},
    "TIFF 16": {},
    "PNG 16": {},
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", TURNED)
def test_every_orientation_in_every_format(tmp_path: Path, kind: str, orientation: int) -> None:
    """A.3, a phone's MPO (python-pillow #4603): upright everywhere; Pillow garbles turned grey TIFFs."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = {"16": DEEP, "8": GREY}.get(kind.rpartition(" ")[2], COLOUR)
    path = tmp_path / "picture"
    path.write_bytes(saved(stored, kind.partition(" ")[0], exif=exif, **TURNED[kind]))
    flat = (
        Image.open(path) if kind in ("JPEG", "MPO") else Image.fromarray(GREY if stored is DEEP else stored)
    )
    flat.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(flat).convert("RGB"))
    assert np.array_equal(load_image(path), expected)
    width, height = PictureFile(path).size()
    assert (height, width) == expected.shape[:2]
    box = PictureFile(path, (2, 3, 12, 9))
    assert np.array_equal(box.pixels(*box.size()), expected[3:9, 2:12])


def test_an_orientation_behind_the_pixels_counts(tmp_path: Path) -> None:
    """A.3's sister: PNG allows eXIf at its end."""
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "late.png").write_bytes(
        png(COLOUR, 2, after=chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    )
    assert load_image(tmp_path / "late.png").shape == (56, 40, 3)
    assert PictureFile(tmp_path / "late.png").size() == (40, 56)


FIRST, SECOND = Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)
MORE = {"save_all": True, "append_images": [SECOND]}


@pytest.mark.parametrize(
    ("content", "frames"),
    [
        (saved(FIRST, "MPO", quality=95, save_all=True, append_images=[SECOND.resize((20, 20))]), 1),
        (saved(FIRST, "TIFF", **MORE), 1),
        (saved(FIRST, "ICO", sizes=[(16, 16), (32, 32)]), 1),
        (saved(FIRST, "GIF"), 1),
        (saved(FIRST, "WEBP"), 1),
        (saved(FIRST, "PNG", **MORE, default_image=True), 1),
        (saved(FIRST, "GIF", **MORE, duration=200), 2),
        (saved(FIRST, "WEBP", **MORE, duration=200, lossless=True), 2),
        (saved(FIRST, "PNG", **MORE, duration=200), 2),
    ],
    ids=[
        "MPO",
        "TIFF pages",
        "ICO",
        "GIF of one",
        "WebP of one",
        "PNG with one beside",
        "GIF",
        "WebP",
        "APNG",
    ],
)
def test_only_animations_are_films(tmp_path: Path, content: bytes, frames: int) -> None:
    """A.3, a photo is never a film (python-pillow #1138): previews, depth maps and pages are no frames."""
    (tmp_path / "picture").write_bytes(content)
    footage = find_footage(str(tmp_path / "picture"))
    seen = list(footage.frames())
    assert footage.total == len(seen) == frames
    assert footage.hz == (None if frames == 1 else 5)
    assert [frame.time_s for frame in seen] == ([None] if frames == 1 else [0, 0.2])
    assert np.array_equal(seen[0].image, load_image(tmp_path / "picture"))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_that_is_cut_is_an_error(tmp_path: Path, kind: str) -> None:
    """A.5's sister: cut films of pictures end with an error and not early."""
    whole = saved(FIRST, kind, **MORE, duration=200)
    for share in (0.95, 0.8, 0.6, 0.3):
        (tmp_path / "cut").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DataError, match="cannot be read"):
            list(find_footage(str(tmp_path / "cut")).frames())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny(tmp_path_factory.mktemp("pictures") / "tiny")


@pytest.fixture(scope="module")
def server(tiny: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("log") / "server.log", str(tiny.path))
    yield running
    running.process.kill()
    running.process.wait()


def over_http(server: Server, content: bytes) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(server.http, timeout=60)
    connection.request("POST", "/v1/faces", content, {"Content-Type": "image/png"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_a_deep_picture_gives_its_twins_answer_behind_every_door(
    tiny: Bundle, server: Server, tmp_path: Path
) -> None:
    """A.2, grey16.png: "no face" and exit 0 by `run`, 200 without faces over HTTP, refused by `prepare`."""
    grey = np.asarray(Image.open(GROUP).convert("L"))
    answers, images = [], []
    for name, pixels in (("8.png", grey), ("16.png", grey.astype(np.uint16) * 257)):
        folder = tmp_path / name[:-4]
        (folder / "photos" / "happiness").mkdir(parents=True)
        path = folder / "photos" / "happiness" / "group.png"
        Image.fromarray(pixels).save(path)
        words = ["run", str(tiny.path), str(path), "--threads", "1", "--json"]
        ran = json.loads(CliRunner().invoke(app, words).stdout)["pictures"][0]["faces"]
        status, served = over_http(server, path.read_bytes())
        assert status == 200
        prepare = ["datasets", "prepare", str(folder / "photos"), "--model", "pattlite"]
        assert CliRunner().invoke(app, [*prepare, "-o", str(folder / "crops")]).exit_code == 0
        (crop,) = (folder / "crops").rglob("*.png")
        answers.append((ran, served["faces"], load_image(crop).tobytes()))
        sent = struct.pack("<4s4sIIQQ", b"EFF1", b"jpeg", 0, 0, 1, 2) + path.read_bytes()
        images.append(decode_frame(sent, frame_id=0, captured_ns=0).image)
    assert len(answers[0][0]) == len(answers[0][1]) >= 5
    assert answers[0] == answers[1]
    assert np.array_equal(*images)


def thin() -> bytes:
    """65 kB that unfold to 1 x 16,777,216 pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 16_777_216, 8, 0, 0, 0, 0))
    rows = zlib.compress(bytes(2 * 16_777_216), 9)
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_thin_picture_is_refused_by_its_head_behind_every_door(
    tiny: Bundle, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """B.6, thin.png: 3.5 s and half a gigabyte; the limit on sides is looked at before a pixel is decoded."""
    content, path = thin(), tmp_path / "thin.png"
    path.write_bytes(content)
    doors: list[Callable[[], Any]] = [
        lambda: load_image(path),
        lambda: decode_image(content),
        lambda: PictureFile(path).size(),
        lambda: PictureFile(path).pixels(8, 8),
        lambda: find_footage(str(path)),
        lambda: decode_frame(
            struct.pack("<4s4sIIQQ", b"EFF1", b"jpeg", 0, 0, 1, 2) + content, frame_id=0, captured_ns=0
        ),
    ]
    for read in doors:
        begun_s = time.process_time()
        with pytest.raises(DataError, match="1 x 16,777,216 pixels") as caught:
            read()
        assert time.process_time() - begun_s < 1
        assert "a side" in caught.value.expected and "whole" not in caught.value.action
    before = server.rss_bytes()
    status, said = over_http(server, content)
    assert status == 413 and "1 x 16,777,216 pixels" in said["error"]
    assert server.rss_bytes() - before < 16 << 20
    assert main(["predict", str(tiny.path), str(path)]) == 3
    assert "1 x 16,777,216 pixels" in capsys.readouterr().err


def test_a_photo_that_is_too_large_is_told_its_size(tmp_path: Path) -> None:
    """C.8: 182 megapixels were told "give an image file that is whole"."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 15_600, 11_700, 8, 2, 0, 0, 0))
    (tmp_path / "photo.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )
    with pytest.raises(DataError, match="182,520,000 pixels") as caught:
        load_image(tmp_path / "photo.png")
    assert "at most 178,956,970 pixels" in caught.value.expected and "smaller" in caught.value.action


def test_memory_comes_back_after_large_pictures() -> None:
    """B.6: four threads kept 300 MB after a few pictures of 16 megapixels."""
    program = (
        "import io, threading; from pathlib import Path; from PIL import Image;"
        "from edgefer_runtime.images import decode_image\n"
        "def file(kind):\n"
        "    held, noise = io.BytesIO(), Image.effect_noise((500, 500), 60).resize((4000, 4000))\n"
        "    noise.convert('RGB').save(held, kind, compress_level=1)\n"
        "    return held.getvalue()\n"
        "rss = lambda: int(Path('/proc/self/statm').read_text().split()[1]) * 4096 / 1e6\n"
        "files = [file(kind) for kind in ('JPEG', 'PNG')]\n"
        "def work():\n    for content in files: decode_image(content)\n"
        "decode_image(files[0]); before = rss()\n"
        "threads = [threading.Thread(target=work) for _ in range(4)]\n"
        "[each.start() for each in threads]; [each.join() for each in threads]\n"
        "print(rss() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 64


FACE = np.asarray(Image.open(SHEET).crop((225, 556, 353, 684)))
"""A laughing face that fills its picture."""


@pytest.mark.parametrize(
    ("image", "advice"),
    [
        (FACE.astype(np.uint16) * 257, r"divide by 257.*astype\(numpy.uint8\)"),
        (FACE / 255, "multiply by 255"),
        (FACE.astype(np.float32), r"image\.round\(\)\.astype"),
        (FACE / np.float32(127.5) - 1, "bring its values, -1 to"),
        (np.where(FACE == 0, np.nan, FACE / 255) * np.nan, "not finite"),
        (FACE.astype(np.int64), r"astype\(numpy\.uint8\)"),
        (FACE > 100, "a mask"),
        (FACE[..., 0], r"numpy\.repeat\(image\[\.\.\., None\]"),
        (FACE[..., :1], r"numpy\.repeat\(image\[\.\.\., :1\]"),
        (np.dstack([FACE, FACE[..., :1]]), r"image\[\.\.\., :3\]"),
        ((FACE / 255)[..., 0], "multiply by 255.*; then repeat the grey channel"),
        (FACE.transpose(2, 0, 1), "last axis"),
        (FACE[None], r"Classifier\.predict|image\[0\]"),
        (FACE[0, 0], "colour channels"),
        (FACE[:0], "box before cropping"),
        (np.array(5), "numpy.uint8"),
        (np.array("face.png"), "an array of numbers"),
        (None, "why there is no image"),
        ("face.png", "load_image"),
        (Path("face.png"), "load_image"),
        (b"\xff\xd8\xff", "decode_image"),
        (Image.fromarray(FACE), r'numpy\.asarray\(image\.convert\("RGB"\)\)'),
        (FACE.tolist(), r"numpy\.asarray on it"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_array_that_is_no_image_is_told_what_mends_it(tiny: Bundle, image: Any, advice: str) -> None:
    """C.8: a string where an array is wanted was told to "call numpy.asarray on it"."""
    with FaceAnalyzer.open(tiny) as analyzer:
        for call in (analyzer.classifier, analyzer, analyzer.analyze, analyzer.detector, check_crop):
            with pytest.raises(DataError, match=advice):
                call(image)
    if not isinstance(image, bytes):  # which are a JPEG file there
        with pytest.raises(DataError, match=advice):
            encode_frame(image, frame_id=0, captured_ns=0)


def test_following_the_advice_gives_the_answer(tiny: Bundle) -> None:
    """C.8: what the messages tell to do is right."""
    with Classifier.open(tiny) as classifier:
        labelled = classifier(FACE).probabilities
        for image in (
            (FACE.astype(np.uint16) * 257 / 257).round().astype(np.uint8),
            (255 * (FACE / 255)).round().astype(np.uint8),
            FACE.astype(np.float32).round().astype(np.uint8),
            np.dstack([FACE, FACE[..., :1]])[..., :3],
            np.asarray(Image.fromarray(FACE).convert("RGB")),
            np.moveaxis(FACE.transpose(2, 0, 1), -3, -1),
            np.ascontiguousarray(FACE[:, ::-1])[:, ::-1],
            np.frombuffer(FACE.tobytes(), np.uint8).reshape(FACE.shape),
        ):
            assert np.array_equal(classifier(image).probabilities, labelled)


def test_a_batch_that_is_none_is_a_data_error(tiny: Bundle) -> None:
    """C.8's sister: `predict` asked None for its length."""
    with FaceAnalyzer.open(tiny) as analyzer:
        for images in (None, 5, np.array(5), "faces", [[1], [1, 2]]):
            with pytest.raises(DataError, match="N x H x W x 3"):
                analyzer.classifier.predict(images)  # type: ignore[arg-type]


def test_predict_tells_a_whole_photo(
    tiny: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A.6: a whole photo was labelled as a crop without a word."""
    face, portrait, wall = tmp_path / "face.png", tmp_path / "portrait.png", tmp_path / "wall.png"
    Image.fromarray(FACE).save(face)
    scene = np.full((480, 640, 3), 110, np.uint8)
    Image.fromarray(scene).save(wall)
    scene[180:308, 250:378] = FACE
    Image.fromarray(scene).save(portrait)
    for path, said in ((face, None), (portrait, "its face fills"), (wall, "no face was found")):
        assert main(["predict", str(tiny.path), str(path), "--json"]) == 0
        out, err = capsys.readouterr()
        doubt = json.loads(out)["doubt"]
        if said is None:
            assert doubt is None and not err
        else:
            assert said in doubt and said in err and "edgefer run" in err and "FaceAnalyzer" in err


def test_a_set_of_whole_photos_is_told(tmp_path: Path) -> None:
    """A.6's sister: `datasets check` of photos that nobody cropped."""
    for kind in ("photos", "crops"):
        for number, name in enumerate(("happiness", "sadness")):
            (tmp_path / kind / name).mkdir(parents=True)
            for index in range(3):
                scene = np.full((300, 400, 3), 100 + 10 * number + index, np.uint8)
                scene[80:208, 120:248] = FACE
                picture = scene if kind == "photos" else FACE - np.uint8(number + 2 * index)
                Image.fromarray(picture).save(tmp_path / kind / name / f"{index}.png")
        done = CliRunner().invoke(app, ["datasets", "check", str(tmp_path / kind)])
        assert ("6 of 6 pictures looked at are whole photos" in done.output) == (kind == "photos"), (
            done.output
        )
        assert ("edgefer datasets prepare" in done.output) == (kind == "photos")


def test_bytes_at_random_are_an_image_or_a_refusal() -> None:
    """The issue's fuzzing (EDGEFER_FUZZ=10000): each a clean refusal or an array; memory stays flat."""
    from .fuzz_pictures import fuzz

    counts, growth_bytes = fuzz(
        {**GREY_FILES, **{f"colour {kind}": content for kind, content in COLOUR_FILES.items()}}
    )
    assert set(counts) == {"image", "refused"} and min(counts.values()) > sum(counts.values()) / 50, counts
    assert growth_bytes < 64 << 20


def test_threads_read_at_once(tmp_path: Path) -> None:
    """A.2's sister: the face sets' threads share the reader."""
    (tmp_path / "deep.png").write_bytes(GREY_FILES["PNG 16"])
    found: list[NDArray[np.uint8]] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_image(tmp_path / "deep.png"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(np.array_equal(image[..., 0], GREY) for image in found)
