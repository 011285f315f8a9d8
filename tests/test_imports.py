"""The import graph: repos ← toolsim ← harness, one home for each heavy library, pure modules without I/O."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("repos", "toolsim", "harness")
FORBIDDEN = {"repos": {"toolsim", "harness"}, "toolsim": {"harness"}, "harness": set()}
HOMES = {
    "langgraph": {"harness/graph.py", "harness/langgraph_tools.py"},
    "langchain_core": {"harness/langgraph_tools.py"},
    "openai": {"toolsim/endpoint.py"},
    "ray": {"harness/engines/ray_cluster.py", "harness/engines/ray_engine.py"},
    "tantivy": {"toolsim/lexical.py"},
    "docker": {"toolsim/shell/container.py"},
    "mcp": {"harness/live/server.py", "harness/live/serving.py", "toolsim/connectors/mcp_tools.py"},
}
IO = {"os", "subprocess", "socket", "sqlite3", "sqlite_utils", "httpx2", "aiohttp", "openai", "git", "time", "tempfile"}
PURE = (
    "toolsim/trajectory.py", "toolsim/actions.py", "toolsim/patching.py", "toolsim/paths.py",
    "toolsim/scaffolds/base.py", "harness/selection.py", "harness/estimates.py", "harness/intervals.py",
    "harness/power.py", "harness/ledger.py", "harness/gate/baseline.py", "harness/gate/compare.py",
    "harness/pools.py", "harness/rows.py", "harness/discriminator/pairs.py", "harness/discriminator/serialise.py",
    "harness/discriminator/fakes.py", "harness/discriminator/score.py", "harness/discriminator/features.py",
    "harness/discriminator/trained.py", "harness/report/inert.py",
    "harness/callclass.py", "harness/differences.py", "harness/fidelity.py", "harness/fidelity_table.py",
    "harness/confidence.py", "harness/tallies.py", "harness/siblings.py",
    "harness/graded.py", "harness/logrates.py", "harness/rates.py", "harness/comparison.py",
    "harness/forecast/record.py", "harness/forecast/predict.py", "harness/forecast/predictive.py",
    "harness/forecast/score.py", "harness/forecast/split.py", "harness/forecast/prefixes.py",
    "toolsim/deid/found.py", "toolsim/deid/names.py", "toolsim/deid/people.py", "toolsim/deid/numbers.py",
    "toolsim/deid/secrets.py", "toolsim/deid/detect.py", "toolsim/deid/surrogates.py", "toolsim/deid/mapping.py",
    "harness/representative.py",
    "harness/discovery/turns.py", "harness/discovery/traits.py", "harness/discovery/shapes.py",
    "harness/discovery/stance.py",
    "harness/discovery/claims.py", "harness/discovery/testing.py", "harness/discovery/find.py",
    "harness/discovery/summaries.py", "harness/discovery/draft.py",
    "harness/live/clients.py", "harness/live/offer.py",
)  # fmt: skip


def _modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


MODULES = list(_modules())


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_package_imports_only_packages_below_it(path: Path) -> None:
    package = _name(path).split("/")[0]
    assert not {n for n in _imported(path) if n.split(".")[0] in FORBIDDEN[package]}


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_nothing_outside_of_the_command_line_imports_it(path: Path) -> None:
    if not _name(path).startswith("harness/cli/"):
        assert not {n for n in _imported(path) if n.startswith("harness.cli")}


@pytest.mark.parametrize(("library", "homes"), list(HOMES.items()))
def test_a_heavy_library_has_one_home(library: str, homes: set[str]) -> None:
    users = {_name(p) for p in _modules() if any(n.split(".")[0] == library for n in _imported(p))}
    assert users <= homes, users - homes


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_no_io(name: str) -> None:
    assert not {n.split(".")[0] for n in _imported(ROOT / name)} & IO


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys, harness.cli; from click.testing import CliRunner;"
        "r = CliRunner().invoke(harness.cli.cli, ['--help']); assert r.exit_code == 0, r.output;"
        "print(sorted({'openai', 'langgraph', 'tantivy', 'git', 'scipy', 'sklearn', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
