"""Hook of mkdocs.yml: the site's first page, and links that leave docs/.

On the repository's page a link such as ``../examples`` leads to the folder. The site has only docs/, so
there it leads to the repository. The first page is README.md, whose links are one folder up.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

OUTSIDE = re.compile(r"\]\(\.\./(?P<path>[^)#]+)(?P<anchor>#[^)]*)?\)")
INSIDE = re.compile(r"\]\(docs/")
ELSEWHERE = re.compile(r"\]\((?!https?:|docs/|#)(?P<path>[\w./-]+)\)")


def on_files(files: Any, config: Any) -> Any:
    """Add index.md: README.md as it would read from within docs/."""
    from mkdocs.structure.files import File

    text = (Path(config.config_file_path).parent / "README.md").read_text()
    text = INSIDE.sub("](", ELSEWHERE.sub(lambda found: f"](../{found['path']})", text))
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    """Links to what lies outside docs/, as links to the repository."""

    def elsewhere(found: re.Match[str]) -> str:
        return f"]({config.repo_url}/blob/main/{found['path']}{found['anchor'] or ''})"

    return OUTSIDE.sub(elsewhere, markdown)
