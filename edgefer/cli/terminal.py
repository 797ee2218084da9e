"""The terminal that tables are printed on: what came from elsewhere is shown there, and never obeyed."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from edgefer_runtime.errors import visible


class Console(RichConsole):
    """rich's console, on which control characters in a text are written out; its own colours stay."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does it, letter by letter what is told."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))
