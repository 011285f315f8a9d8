"""Which paths of a work tree a commit says nothing about: what its ignore files match, and usual untracked names.

A path that is in no manifest is *absent* unless it may be there untracked; this module answers the "may".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pathspec import GitIgnoreSpec

USUAL_UNTRACKED = frozenset({
    ".git", ".hg", ".DS_Store", ".env", ".env.local", ".idea", ".vscode", ".claude", ".codex", ".cursor", ".entire",
    ".venv", "venv", "env", "node_modules", "bower_components", "vendor", "__pycache__", ".mypy_cache", ".pytest_cache",
    ".ruff_cache", ".tox", ".nox", ".eggs", "dist", "build", "out", "target", "bin", "obj", "coverage", ".coverage",
    ".nyc_output", ".next", ".nuxt", ".turbo", ".cache", ".parcel-cache", ".gradle", ".terraform", "tmp", "temp",
    "logs", ".husky", ".yarn", ".pnpm-store", ".direnv", ".envrc", ".local", ".worktrees", "worktrees",
})  # fmt: skip
_SUFFIXES = (".pyc", ".pyo", ".egg-info", ".log", ".swp", ".orig", ".rej", ".tmp", ".bak", ".local", ".tsbuildinfo")

LEFT_BY: Mapping[str, tuple[str, ...]] = {
    "package.json": ("node_modules", "dist", "build", ".next", "coverage"),
    "Cargo.toml": ("target",),
    "go.mod": ("vendor", "bin", "dist"),
    "pyproject.toml": (".venv", "build", "dist", ".pytest_cache"),
    "pom.xml": ("target",),
    "build.gradle": ("build", ".gradle"),
}
"""What stands beside a project's manifest once somebody has worked on it, though no commit holds it."""


class IgnoreRules:
    """The ignore files of one tree, read once: `read` gives a file's text by repository-relative path."""

    def __init__(self, files: Iterable[str], read: Callable[[str], str | None]) -> None:
        self._read = read
        self._files = {path.rpartition("/")[0]: path for path in files}
        self._specs: dict[str, GitIgnoreSpec | None] = {}

    def may_hold_untracked(self, path: str) -> bool:
        """Whether the repository-relative `path`, absent from the commit, may exist in a work tree all the same."""
        parts = path.split("/")
        if any(part in USUAL_UNTRACKED or part.endswith(_SUFFIXES) for part in parts):
            return True
        return self.matches(path)

    def matches(self, path: str) -> bool:
        """Whether the ignore files of the tree match the path or a directory above it."""
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            tail = "/" if depth < len(parts) else ""
            if self._decided("/".join(parts[:depth]) + tail) or (not tail and self._decided(path + "/")):
                return True
        return False

    def _decided(self, path: str) -> bool:
        """The verdict of the nearest ignore file that says anything."""
        directory = path.rstrip("/").rpartition("/")[0]
        while True:
            spec = self._spec(directory)
            if spec is not None:
                verdict = spec.check_file(path[len(directory) + 1 :] if directory else path).include
                if verdict is not None:
                    return verdict
            if not directory:
                return False
            directory = directory.rpartition("/")[0]

    def _spec(self, directory: str) -> GitIgnoreSpec | None:
        if directory not in self._specs:
            file = self._files.get(directory)
            text = None if file is None else self._read(file)
            self._specs[directory] = None if text is None else GitIgnoreSpec.from_lines(text.splitlines())
        return self._specs[directory]
