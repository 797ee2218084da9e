"""The models a server has, by name and version, and how one takes the place of another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgefer_runtime.errors import CheckError, EdgeferError, UsageError
from edgefer_runtime.serving.loading import EngineSettings, Loaded, load
from edgefer_runtime.serving.refusals import BAD_REQUEST, NOT_FOUND, Refusal
from edgefer_runtime.serving.scheduler import Scheduler
from edgefer_runtime.serving.statistics import ModelStatistics

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_NAMED = re.compile(rf"(?P<name>{_NAME})(:(?P<version>[1-9][0-9]*))?=(?P<path>.+)", re.S)


@dataclass(frozen=True)
class Source:
    """A bundle named on the command line: ``BUNDLE`` or ``NAME[:VERSION]=BUNDLE``.

    Attributes:
        path: the bundle's, or an installed model's name.
        name: what clients call it; by default what its manifest says.
        version: a number; by default one more than the last of that name.
    """

    path: str
    name: str = ""
    version: str = ""

    @classmethod
    def parse(cls, words: str) -> Source:
        """Read ``words`` as they stand on the command line."""
        named = _NAMED.fullmatch(words)
        return cls(named["path"], named["name"], named["version"] or "") if named else cls(words)


class ServedModel:
    """One version of a model: a bundle, its engines, and the queue in front of them."""

    def __init__(
        self,
        source: Source,
        loaded: Loaded,
        settings: EngineSettings,
        *,
        capacity: int,
        batch_delay_s: float,
    ) -> None:
        self.source, self.name, self.version = source, source.name, source.version
        self.statistics = ModelStatistics()
        self.scheduler = Scheduler(
            loaded, capacity=capacity, batch_delay_s=batch_delay_s, statistics=self.statistics
        )
        self._settings = settings
        self._reloading = asyncio.Lock()

    @property
    def loaded(self) -> Loaded:
        """The bundle as it is now."""
        return self.scheduler.loaded

    async def reload(self) -> None:
        """Open the bundle anew beside the one that serves, and only then let it take over.

        Requests go on being answered all the while; none is lost.

        Raises:
            EdgeferError: what is there now is no bundle, is damaged, or has other classes; the old one stays.
        """
        async with self._reloading:
            try:
                fresh = await asyncio.to_thread(load, self.source.path, self._settings)
                self._compare(fresh)
            except EdgeferError:
                self.statistics.refused_reloads += 1
                raise
            self.scheduler.swap(fresh)
            self.statistics.reloads += 1

    def _compare(self, fresh: Loaded) -> None:
        before, now = self.loaded.manifest.classes, fresh.manifest.classes
        if now != before:
            raise CheckError(
                f"{self.source.path}: a bundle with the classes {', '.join(now)}",
                expected=f"{', '.join(before)}: clients know the probabilities by their order",
                action="serve it under another name or version",
            )


class Repository:
    """All models, by name and version."""

    def __init__(self, models: Sequence[ServedModel]) -> None:
        self._models: dict[str, dict[str, ServedModel]] = {}
        for model in models:
            self._models.setdefault(model.name, {})[model.version] = model

    def __iter__(self) -> Iterator[ServedModel]:
        return (model for versions in self._models.values() for model in versions.values())

    def versions(self, name: str) -> list[str]:
        """The versions of a model, the latest last."""
        return sorted(self._models[name], key=int)

    def get(self, name: str, version: str = "") -> ServedModel:
        """The model of that name, in its latest version unless another is named.

        Raises:
            Refusal: 404, there is none.
        """
        if name not in self._models:
            raise Refusal(NOT_FOUND, f"no model {name[:80]!r}; this server has {', '.join(self._models)}")
        if not version:
            return self._models[name][self.versions(name)[-1]]
        if version not in self._models[name]:
            raise Refusal(
                NOT_FOUND,
                f"no version {version[:80]!r} of {name}; this server has {', '.join(self.versions(name))}",
            )
        return self._models[name][version]

    def select(self, name: str = "", version: str = "") -> list[ServedModel]:
        """All models, those of a name, or the one of a name and version.

        Raises:
            Refusal: 404, there is none; 400, a version without a name.
        """
        if version and not name:
            raise Refusal(BAD_REQUEST, "a version of no model")
        if not name:
            return [*self]
        if version:
            return [self.get(name, version)]
        self.get(name)
        return [self._models[name][each] for each in self.versions(name)]


def open_repository(
    sources: Sequence[Source], settings: EngineSettings, *, capacity: int, batch_delay_s: float
) -> Repository:
    """Open every bundle; called where an event loop runs.

    Raises:
        UsageError: none, or two of one name and version.
        EdgeferError: a bundle that cannot be opened.
    """
    if not sources:
        raise UsageError("nothing to serve", expected="at least one bundle")
    models: dict[tuple[str, str], ServedModel] = {}
    for source in sources:
        loaded = load(source.path, settings)
        name = source.name or loaded.manifest.name
        if not re.fullmatch(_NAME, name):
            raise UsageError(
                f"{source.path}: a bundle whose name is {name!r}",
                expected="letters, digits, '.', '_' and '-', which fit into an address",
                action="give it a name: NAME=BUNDLE",
            )
        taken = [int(version) for other, version in models if other == name]
        version = source.version or str(max(taken, default=0) + 1)
        if (name, version) in models:
            raise UsageError(
                f"two bundles are to be served as {name}, version {version}",
                expected="names and versions that differ: NAME:VERSION=BUNDLE",
            )
        models[name, version] = ServedModel(
            Source(source.path, name, version),
            loaded,
            settings,
            capacity=capacity,
            batch_delay_s=batch_delay_s,
        )
    return Repository([*models.values()])
