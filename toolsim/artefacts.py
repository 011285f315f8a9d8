"""What installing a Python project from its own directory may leave there: copies of its modules in `build/lib`, and
`*.egg-info` with the list of its files. Commits hold neither, and a search that passes over no ignored files sees both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolsim import paths

if TYPE_CHECKING:
    from toolsim.world import World

BUILD = "build"
_TELLS = ("setup.py", "setup.cfg", "pyproject.toml")


def copies(found: Sequence[str], searched: str, world: World) -> str | None:
    """Why there may be more files of these names or contents: a module among `found` may have a copy in `build/lib`.

    `None` where there can be none, or where it is known what stands there. Only projects with a `setup.py` and without
    `pyproject.toml` are built in their own directory by every installer.
    """
    root = world.root
    build = paths.join(root, BUILD)
    if not _has(world, "setup.py") or _has(world, "pyproject.toml") or world.kind(build) != "unknown":
        return None
    if paths.relative(build, world.key(searched)) is None:
        return None
    module = next((path for path in found if _is_module(path, world)), None)
    return None if module is None else f"whether {build} holds a copy of {module}"


def listed(pattern: re.Pattern[str], searched: str, world: World) -> str | None:
    """Why there may be more matches: the pattern matches a path, and so the list of files in the `*.egg-info`."""
    top = paths.relative(world.key(searched), world.root)
    if top is None or not any(_has(world, tell) for tell in _TELLS) or top not in ("", "src", "lib"):
        return None
    for path in world.files.tracked_below(world.root):
        name = paths.relative(path, world.root) or ""
        if name.endswith((".py", ".rst", ".md", ".txt", ".cfg", ".toml", ".in")) and pattern.search(name):
            return f"whether the project's egg-info lists {name}"
    return None


def _has(world: World, name: str) -> bool:
    return world.kind(paths.join(world.root, name)) == "file"


def _is_module(path: str, world: World) -> bool:
    """Whether the file is installed with a package: its directories up to a top one are packages."""
    directory = paths.parent(path)
    return path.endswith(".py") and world.kind(paths.join(directory, "__init__.py")) == "file"
