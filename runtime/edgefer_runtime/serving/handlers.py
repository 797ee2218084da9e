"""What both doors call: one inference from deadline to statistics."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from edgefer_runtime.errors import DataError, EdgeferError
from edgefer_runtime.serving.bodies import Budget
from edgefer_runtime.serving.limits import Limits
from edgefer_runtime.serving.models import Repository, ServedModel
from edgefer_runtime.serving.protocol import InferReply, InferRequest
from edgefer_runtime.serving.refusals import (
    BAD_REQUEST,
    CLIENT_GONE,
    DEADLINE_EXCEEDED,
    INTERNAL,
    UNAUTHORIZED,
    Refusal,
    within,
)

BODIES = 8
"""Bodies of the largest size that all requests together may hold."""

FREE_BYTES = 128 << 10
"""What a request may hold besides: some face crops, a small picture."""

log = logging.getLogger("edgefer.serve")


@dataclass
class Service:
    """The models, and what clients may ask of them.

    Attributes:
        repository: the models.
        limits: what one request may ask for.
        token: what clients must show, or None.
        ending: the server is being shut down; what it has accepted is being finished.
        budget: bytes that the bodies of all requests together may hold.
    """

    repository: Repository
    limits: Limits = field(default_factory=Limits)
    token: str | None = None
    ending: bool = False
    budget: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.budget = Budget(BODIES * self.limits.body_bytes, FREE_BYTES)

    def authorize(self, header: str | None) -> None:
        """Let a request in whose ``Authorization`` is ``header``.

        Raises:
            Refusal: 401, it shows no token or another.
        """
        if self.token is not None and not hmac.compare_digest(
            (header or "").encode(), f"Bearer {self.token}".encode()
        ):
            raise Refusal(UNAUTHORIZED, "no token, or another: send 'Authorization: Bearer TOKEN'")

    @contextmanager
    def counting(self, model: ServedModel, arrived_ns: int) -> Iterator[None]:
        """Count a request of ``model`` by how it ends; what goes wrong leaves as a :class:`Refusal`.

        Args:
            model: what is asked.
            arrived_ns: when the request came, ``time.perf_counter_ns()``.
        """
        status = 200
        try:
            yield
        except asyncio.CancelledError:
            status = CLIENT_GONE
            raise
        except Exception as error:
            refusal = as_refusal(error)
            status = refusal.status
            raise refusal from None
        finally:
            model.statistics.answered(status, time.perf_counter_ns() - arrived_ns)

    def deadline(self, arrived_ns: int, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """What is awaited inside ends with a Refusal, 504, when the request's time is up.

        Args:
            arrived_ns: when the request came, ``time.perf_counter_ns()``.
            timeout_s: the client's own deadline; it cannot be later than the server's.
        """
        allowed_s = min(timeout_s or self.limits.timeout_s, self.limits.timeout_s)
        left_s = allowed_s - (time.perf_counter_ns() - arrived_ns) / 1e9
        return within(left_s, Refusal(DEADLINE_EXCEEDED, f"no answer within {allowed_s:g} s"))

    async def infer(
        self,
        model: ServedModel,
        request: InferRequest,
        client: str,
        arrived_ns: int,
        timeout_s: float | None = None,
    ) -> InferReply:
        """Label the faces of a request.

        Args:
            model: what labels them.
            request: as it was read.
            client: the host that asks.
            arrived_ns: when it came, ``time.perf_counter_ns()``.
            timeout_s: the client's deadline where the request itself names none.

        Raises:
            Refusal: 503, too many requests; 504, not within the deadline.
        """
        with self.deadline(arrived_ns, request.timeout_s or timeout_s):
            probabilities, loaded = await model.scheduler.predict(request.images, client)
        return InferReply(model.name, model.version, probabilities, loaded.manifest.classes)

    async def reload(self, name: str = "") -> None:
        """Open every bundle of that name anew, or every bundle; see :meth:`ServedModel.reload`.

        Raises:
            Refusal: 404, no such model; 400, a bundle that is refused, after the others had their turn.
        """
        refused = [await self._reload(model) for model in self.repository.select(name)]
        if reasons := [reason for reason in refused if reason]:
            raise Refusal(BAD_REQUEST, "; ".join(reasons))

    async def _reload(self, model: ServedModel) -> str | None:
        """Why a model was not reloaded, if it was not."""
        name = f"{model.name}, version {model.version}"
        try:
            await model.reload()
        except EdgeferError as error:
            log.error("%s: not reloaded, the old one stays: %s", name, error)
            return error.found
        log.info("%s: reloaded from %s", name, model.source.path)
        return None


def unloading() -> Refusal:
    """The refusal for whoever wants a model to go."""
    return Refusal(BAD_REQUEST, "models cannot be unloaded: they are those of the command line")


def as_refusal(error: Exception) -> Refusal:
    """The refusal for whatever a request ended with; a fault of ours is logged, without what was sent."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, DataError):
        return Refusal(BAD_REQUEST, str(error))
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("a request failed with %s\n%s", type(error).__name__, frames)
    return Refusal(INTERNAL, "the server failed; its log says where")
