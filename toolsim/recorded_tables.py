"""Tables for `recorded_shell`: which programs rewrite which files."""

from __future__ import annotations

import re
from collections.abc import Sequence

_JS = (".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".vue", ".svelte")
_WEB = (*_JS, ".json", ".css", ".scss", ".html", ".md", ".yml", ".yaml")
_RUNNER = (
    r"(?:(?:npx|bunx|pnpm(?: exec| dlx)?|yarn|bun(?: x| run)?|uvx?(?: run)?|poetry run|npm exec|python3? -m) "
    r"(?:-\S+ )*)?"
)

FORMATTERS: Sequence[tuple[re.Pattern[str], tuple[str, ...]]] = (
    (re.compile(r"(gofmt|goimports|gofumpt|gci)\b.* -\w*w"), (".go",)),
    (re.compile(r"go fmt\b|golangci-lint (run .*--fix|fmt)"), (".go",)),
    (re.compile(rf"{_RUNNER}prettier\b.*(--write|-w\b)"), _WEB),
    (re.compile(rf"{_RUNNER}eslint\b.*--fix"), _JS),
    (re.compile(rf"{_RUNNER}biome\b.*--(write|apply|fix)"), (*_JS, ".json", ".css")),
    (re.compile(rf"{_RUNNER}ruff (format(?!.*--(check|diff))|check\b.*--fix|.*--fix)"), (".py", ".pyi")),
    (re.compile(rf"{_RUNNER}(black|isort|autopep8|yapf)\b(?!.*--(check|diff))"), (".py", ".pyi")),
    (re.compile(r"cargo (fmt(?!.*--check)|fix|clippy\b.*--fix)|rustfmt\b(?!.*--check)"), (".rs",)),
    (re.compile(r"dotnet format"), (".cs",)),
    (re.compile(r"terraform fmt"), (".tf",)),
)
"""Programs that rewrite files in place in a language's own form, and the endings of those files."""

MANIFESTS: Sequence[tuple[re.Pattern[str], tuple[str, ...]]] = (
    (re.compile(r"(npm|pnpm|yarn|bun) (.*\b)?(install|i|ci|add|remove|rm|update|upgrade|up|uninstall|dedupe)\b|yarn$"),
     ("package.json", "package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb")),
    (re.compile(r"go (get|mod|work)\b"), ("go.mod", "go.sum", "go.work", "go.work.sum")),
    (re.compile(r"cargo (add|remove|update|build|check|test|run|clippy)\b"), ("Cargo.toml", "Cargo.lock")),
    (re.compile(r"(uv|poetry|pdm|rye|pipenv) (add|remove|sync|lock|install|update)\b"),
     ("pyproject.toml", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile", "Pipfile.lock")),
    (re.compile(r"bundle (install|update|add)"), ("Gemfile", "Gemfile.lock")),
)  # fmt: skip
"""Package managers and the files that they rewrite."""

FORMAT_SCRIPT = re.compile(
    r"^(npm|pnpm|yarn|bun|make|just|mise|task|nx|turbo|deno|hatch)\b.*\b(fmt|format|fix|lint:fix|lint-fix)\b(?!:check)"
)
"""Project scripts that format, by their usual names."""

GENERATE_SCRIPT = re.compile(
    r"^(npm|pnpm|yarn|bun|make|just|mise|task|nx|go|npx|pnpx|bunx)\b.*\b(generate|codegen|gen|prebuild|migrate|scaffold|new|init|bump|release|version)\b"
)
"""Project scripts that write tracked files."""
PLAIN_GENERATORS = re.compile(r"\b(?:generate|codegen|gen)\b")
"""Those that write code which says that it is generated; the others may change what people wrote (versions)."""

WRITING_CODE = re.compile(
    r"open\([^)]*['\"][wax]b?\+?['\"]|write_text|write_bytes|writeFile|appendFile|\.write\(|Bun\.write|shutil\.|"
    r"os\.(rename|remove|replace|unlink)|fs\.(rename|unlink|rm|copy)|File\.write"
)
"""Inline code that writes files."""

HEAD_MOVERS = re.compile(
    r"gh (?:pr (?:checkout|co)|repo sync)\b|gh pr merge\b.* (?:-\w*d\b|--delete-branch)|workmux merge\b"
    r"|gt (?:sync|co|checkout|up|down|top|bottom|restack|create|modify|move)\b|git-town\b|hub (?:pr checkout|sync)\b"
)
"""Programs that check out, merge or rebase by git."""

REMOTE_MOVERS = re.compile(r"gh (?:pr (?:merge|update-branch)|repo sync|release create)\b|gt submit\b")
"""Programs that push, or merge on the remote and fetch."""
