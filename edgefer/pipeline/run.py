"""Faces and expressions on real input: footage through an analyzer into recordings, and how it went."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.pipeline import Report, ignore
from edgefer.pipeline.footage import Footage, Frame, Playback, find_footage
from edgefer.pipeline.recording import Recording, record, require_output, require_place
from edgefer.pipeline.subjects import find_bundle
from edgefer.pipeline.window import Window
from edgefer.training.interrupt import StopRequest, stop_on_signal
from edgefer_runtime import Face, FaceAnalyzer
from edgefer_runtime.analyzer import SMOOTHING_S
from edgefer_runtime.camera import Camera
from edgefer_runtime.errors import DeviceError, EdgeferError, UsageError
from edgefer_runtime.faces import BlazeFace
from edgefer_runtime.messages import FacesMessage, Publisher, faces_as_json, open_publisher, require_address
from edgefer_runtime.overlay import Overlay

RECONNECT_S = 30.0
REACH_S = 10.0
LOADING_S = 1.0
FEWEST_FOR_P99 = 100


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What `edgefer run` was asked for.

    Attributes:
        bundle: the engine: a bundle's path, or an installed model's name.
        source: as :func:`edgefer.pipeline.footage.find_footage` takes it, with ``hz``.
        outputs: recordings to make.
        publish: addresses that the faces of every frame are sent to, as
            :func:`edgefer_runtime.messages.open_publisher` takes them.
        live: play a film by the clock and drop what comes too fast, as with a camera.
        show: open a window.
        detector: a BlazeFace model; detect_every, smoothing_s: as an analyzer takes them.
        min_score: of a face.
        seconds: when to stop, counted from the opening of a camera, else from the first frame; None for at
            the end.
        threads, device: as :meth:`edgefer_runtime.Classifier.open` takes them.
    """

    bundle: str
    source: str
    hz: float | None = None
    outputs: tuple[Path, ...] = ()
    publish: tuple[str, ...] = ()
    live: bool = False
    show: bool = False
    detector: str = "full-range"
    min_score: float = 0.5
    detect_every: int = 1
    smoothing_s: float = SMOOTHING_S
    seconds: float | None = None
    threads: int | None = None
    device: str | None = None


@dataclass
class Run:
    """How a run went, as far as it came.

    Attributes:
        model: the engine's name; provider: what it ran on.
        frames, faces: that were analyzed and found.
        seconds, cpu_s: from the first frame to the end, by the clock and of the processor's time.
        latency_ns: of each frame: from its arrival, or where nothing arrives by the clock from the call, to
            its faces; drawing and writing come after.
        dropped: frames of a live source that came too fast.
        tracks: ids that were given.
        tracked_s, label_changes: how long tracks were seen in all, and how often their labels changed.
        messages: the faces of pictures that stand alone.
        outputs: what was written.
        publishers: where messages went.
        signal: the signal that ended it, if one did.
        error: what ended it early: a camera that was lost, a damaged picture, a cut video, a full disk.
        times: whence the frames have their times, as :class:`edgefer.pipeline.footage.Footage` says.
    """

    model: str
    provider: str
    frames: int = 0
    faces: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    latency_ns: array[int] = field(default_factory=lambda: array("q"))
    dropped: int = 0
    tracks: int = 0
    tracked_s: float = 0.0
    label_changes: int = 0
    messages: list[FacesMessage] = field(default_factory=list)
    outputs: tuple[Path, ...] = ()
    publishers: tuple[Publisher, ...] = ()
    signal: int | None = None
    error: EdgeferError | None = None
    times: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON object; milliseconds, and null for what too few frames cannot tell."""
        latency = np.array(self.latency_ns) / 1e6
        enough = len(latency) >= FEWEST_FOR_P99
        return {
            "model": self.model,
            "provider": self.provider,
            "frames": self.frames,
            "dropped": self.dropped,
            "faces": self.faces,
            "tracks": self.tracks,
            "seconds": round(self.seconds, 3),
            "frames_per_s": round(self.frames / self.seconds, 2) if self.seconds else None,
            "cpu_ms_per_frame": round(1000 * self.cpu_s / self.frames, 3) if self.frames else None,
            "latency_p50_ms": round(float(np.median(latency)), 3) if len(latency) else None,
            "latency_p99_ms": round(float(np.quantile(latency, 0.99)), 3) if enough else None,
            "label_changes_per_s": (
                round(self.label_changes / self.tracked_s, 3) if self.tracked_s else None
            ),
            "outputs": [str(path) for path in self.outputs],
            "published": [
                {"address": to.address, "sent": to.sent, "dropped": to.dropped} for to in self.publishers
            ],
            "interrupted": self.signal is not None,
            "error": self.error and str(self.error),
            "times": self.times,
            **({"pictures": self.messages} if self.messages else {}),
        }


def run(settings: RunSettings, on_progress: Report = ignore) -> Run:
    """Analyze footage, frame by frame, and record what is asked for.

    Ctrl-C, SIGTERM, closing the window, a full disk and an error of the footage end it after the frame at
    hand, and what was recorded so far is kept, whole; before the first frame, nothing is.

    Raises:
        UsageError: footage, outputs and options that do not fit.
        DataError: footage or bundle that cannot be read, or outputs that cannot be written.
        DeviceError: a camera that is not there, gives nothing or was lost; no screen; nobody to publish to.
        MissingError: a library that is needed is not installed.
    """
    for path in settings.outputs:
        require_place(path)
    bundle = find_bundle(settings.bundle)
    for address in settings.publish:
        require_address(address)
    footage = find_footage(settings.source, settings.hz)
    if settings.live and footage.hz is None:
        raise UsageError(f"--live with {footage.name}", expected="a film or a camera")
    for path in settings.outputs:
        require_output(path, footage)
    with ExitStack() as stack:
        request = stack.enter_context(stop_on_signal())
        over = _Over(request, settings.seconds)
        # A camera takes its time to open: it does so while the engine is loaded.
        camera = stack.enter_context(_camera(footage, over)) if footage.is_camera else None
        analyzer = stack.enter_context(_analyzer(settings, bundle))
        done = Run(
            analyzer.classifier.bundle.manifest.name,
            analyzer.classifier.engine.provider,
            outputs=settings.outputs,
            times=footage.times,
        )
        over.window = window = (
            stack.enter_context(Window(f"edgefer: {done.model}")) if settings.show else None
        )
        recordings = [stack.enter_context(record(path, footage)) for path in settings.outputs]
        done.publishers = tuple(stack.enter_context(open_publisher(to)) for to in settings.publish)
        for publisher in done.publishers:
            publisher.wait(REACH_S, until=request.__bool__)
        if settings.live and camera is None:
            camera = stack.enter_context(_camera(footage, over))
        look = _Look(analyzer, recordings, window, done, live=camera is not None)
        if request:
            request.leave()
        begin_s, begin_cpu_s = over.begin(camera if footage.is_camera else None), time.process_time()
        try:
            for frame in _live(camera, done) if camera else footage.frames():
                look(frame)
                done.seconds = time.monotonic() - begin_s
                done.cpu_s = time.process_time() - begin_cpu_s
                on_progress("frames", done.frames, footage.total or 0)
                if over():
                    break
        except EdgeferError as error:
            if not done.frames:
                raise
            done.error = error
        if not done.frames:
            if request:
                request.leave()
            if not (window and not window.is_open):
                raise DeviceError(
                    f"{footage.name} gave no frame within {settings.seconds or 0:g} s",
                    expected="a camera or stream that gives frames",
                    action="check that it is on and can be reached, or give --seconds more",
                )
        done.signal = request.signal
        if window and window.is_open and not request and footage.hz is None:
            window.wait()
    return done


def _analyzer(settings: RunSettings, bundle: Path) -> FaceAnalyzer:
    """Opened, and called once: first calls are slow ones."""
    detector = BlazeFace.open(settings.detector, threads=settings.threads, min_score=settings.min_score)
    analyzer = FaceAnalyzer.open(
        bundle,
        detector=detector,
        detect_every=settings.detect_every,
        smoothing_s=settings.smoothing_s,
        threads=settings.threads,
        device=settings.device,
    )
    blank = np.zeros((480, 640, 3), np.uint8)
    detector(blank)
    analyzer.analyze(blank, boxes=[(0, 0, 64, 64)])
    return analyzer


def _camera(footage: Footage, over: _Over) -> Camera:
    reconnect_s = RECONNECT_S if footage.is_camera else 0.0
    return Camera(Playback(footage), reconnect_s=reconnect_s, until=over)


def _live(camera: Camera, done: Run) -> Iterator[Frame]:
    """The newest frame whenever one is asked for, with the time at which it came."""
    before = camera.dropped
    for shot in camera:
        # What came while the engine was loaded did not come too fast; the newest of it is the first frame.
        before = before if done.frames else camera.dropped
        done.dropped = camera.dropped - before
        yield Frame(shot.image, shot.number, shot.time_s, shot.captured_ns)


class _Over:
    """Whether it is time to stop: a signal came, the time is up, or the window was closed."""

    def __init__(self, request: StopRequest, seconds: float | None) -> None:
        self._request, self._seconds = request, seconds
        self._since_s = time.monotonic()
        self.window: Window | None = None

    def begin(self, camera: Camera | None) -> float:
        """Count from now on; with a camera from its opening, unless a slow engine kept it waiting."""
        now_s = time.monotonic()
        if camera is None:
            self._since_s = now_s
        elif camera.arrived:
            self._since_s = max(self._since_s, now_s - LOADING_S)
        return now_s

    def __call__(self) -> bool:
        if self.window:
            self.window.update()
        late = self._seconds is not None and time.monotonic() - self._since_s >= self._seconds
        return bool(self._request) or late or (self.window is not None and not self.window.is_open)


class _Look:
    """One look at a frame: its faces into the recordings and the window, and what is to be told of it."""

    def __init__(
        self,
        analyzer: FaceAnalyzer,
        recordings: Sequence[Recording],
        window: Window | None,
        done: Run,
        *,
        live: bool,
    ) -> None:
        self._analyzer, self._recordings, self._window = analyzer, recordings, window
        self._done, self._live = done, live
        self._overlay = Overlay()
        self._last: dict[int, tuple[str, float]] = {}

    def __call__(self, frame: Frame) -> None:
        begin_s = frame.time_s if self._live and frame.time_s is not None else time.monotonic()
        if frame.time_s is None:
            faces = self._analyzer.analyze(frame.image)
        else:
            faces = self._analyzer(frame.image, time_s=frame.time_s)
            self._compare(faces, frame.time_s)
        latency_ns = round((time.monotonic() - begin_s) * 1e9)
        height, width = frame.image.shape[:2]
        message = faces_as_json(
            faces,
            frame_id=frame.id,
            captured_ns=frame.captured_ns,
            width=width,
            height=height,
            model=self._done.model,
            latency_ns=latency_ns,
        )
        draw = cache(lambda: self._overlay.draw(frame.image, faces))
        for recording in self._recordings:
            recording.add(frame, message, draw)
        for publish in self._done.publishers:
            publish(message)
        if self._window:
            self._window.show(draw())
        # What could not be recorded is not counted among what was.
        self._done.frames += 1
        self._done.faces += len(faces)
        self._done.latency_ns.append(latency_ns)
        if frame.time_s is None:
            self._done.messages.append(message)

    def _compare(self, faces: Sequence[Face], now_s: float) -> None:
        """Count how long tracks are seen, and their changes of label."""
        last, self._last = self._last, {}
        for face in faces:
            if face.track is None:
                continue
            self._last[face.track] = face.label, now_s
            self._done.tracks = max(self._done.tracks, face.track)
            if before := last.get(face.track):
                self._done.tracked_s += now_s - before[1]
                self._done.label_changes += face.label != before[0]
