"""What several test modules share: recorded HTTP exchanges (`cassette`) and git repositories (`git_repository`).

A cassette is matched on method, path and body and never records by itself: a request that it does not hold fails,
and so does an exchange that the test did not use, or a cassette that is missing. To record anew, with the embedded
0.5B model answering:

    DEPLOYSIM_RECORD=1 pytest tests/toolsim/test_model_cassettes.py

Recorded requests name a fixed host instead of the embedded server's port, and hold no authorization header.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import vcr
from vcr.request import Request

from toolsim.endpoint import ClientSettings, Endpoint
from toolsim.model import OpenAIModel
from toolsim.modeltypes import Budget
from toolsim.pricing import KnownModel

CASSETTES = Path(__file__).parent / "cassettes"
HOST = "model.invalid"
SMALL = "qwen2.5-coder-0.5b-instruct"
_MATCH = ("method", "path", "query", "body")


@dataclass(frozen=True, slots=True)
class Tape:
    """An open cassette: `spec` is what a command line would name (`NAME@BASE_URL`)."""

    name: str
    base_url: str

    @property
    def spec(self) -> str:
        return f"{self.name}@{self.base_url}"

    def model(self, *, api: str = "chat", budget: Budget | None = None, context: int | None = 4_096) -> OpenAIModel:
        """The recorded model; the caller closes it."""
        endpoint = Endpoint(self.base_url, ClientSettings(timeout=600, retries=0))
        return OpenAIModel(self.name, endpoint, api=api, budget=budget, known=KnownModel(0, 0, 0), context=context)


Cassette = Callable[[str], AbstractContextManager[Tape]]


@pytest.fixture
def cassette() -> Cassette:
    """`with cassette("name") as tape:` plays `tests/cassettes/name.yaml`."""
    return _record if os.environ.get("DEPLOYSIM_RECORD") else _replay


@contextmanager
def _replay(name: str) -> Iterator[Tape]:
    path = CASSETTES / f"{name}.yaml"
    if not path.is_file():
        pytest.fail(f"the cassette {path.name} is missing: record it (see tests/conftest.py)")
    with _recorder("none").use_cassette(str(path)) as tape:
        yield Tape(SMALL, f"http://{HOST}/v1")
    if not tape.all_played:
        pytest.fail(f"{path.name}: {len(tape) - tape.play_count} recorded exchanges were not asked for")


@contextmanager
def _record(name: str) -> Iterator[Tape]:
    from toolsim.embedded import Server, ServerSettings
    from toolsim.weights import WEIGHTS, pull

    path = CASSETTES / f"{name}.yaml"
    path.unlink(missing_ok=True)
    server = Server(ServerSettings(pull(WEIGHTS["local-small"]), SMALL, 4_096, 1))
    try:
        with _recorder("all", server.launch()).use_cassette(str(path)):
            yield Tape(SMALL, server.launch())
    finally:
        server.close()


def _recorder(mode: str, real: str | None = None) -> vcr.VCR:
    def named(request: Request) -> Request:
        parts = urlsplit(request.uri)
        if real is not None and parts.netloc == urlsplit(real).netloc:
            request.uri = urlunsplit(parts._replace(netloc=HOST))
        request.headers = {}
        return request

    def bare(response: dict[str, Any]) -> dict[str, Any]:
        return {**response, "headers": {"Content-Type": ["application/json"]}}

    return vcr.VCR(
        record_mode=mode,
        match_on=_MATCH,
        before_record_request=named,
        before_record_response=bare,
        decode_compressed_response=True,
    )


class GitRepository:
    """A git repository made for a test: `commit` writes files and commits them at a stated time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    @property
    def git_dir(self) -> Path:
        return self.path / ".git"

    def git(self, *arguments: str, at: float = 1_700_000_000, given: str | None = None) -> str:
        """What a git command prints, without the final line end; nothing of the machine's settings takes part."""
        moment = f"{int(at)} +0000"
        env = {
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org", "GIT_AUTHOR_DATE": moment,
            "GIT_COMMITTER_DATE": moment,
        }  # fmt: skip
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=env, input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout.removesuffix("\n")

    def commit(
        self, files: Mapping[str, bytes | str | None], message: str = "change", at: float = 1_700_000_000
    ) -> str:
        """Write (`None`: delete) the files, commit everything, and return the commit's id."""
        for name, content in files.items():
            place = self.path / name
            if content is None:
                place.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, at=at)
        return self.git("rev-parse", "HEAD")

    def mirror(self, place: Path) -> Path:
        """A bare directory without a `config`, as archives of mirrors have it."""
        self.git("clone", "-q", "--mirror", ".", str(place))
        (place / "config").unlink()
        return place


@pytest.fixture
def git_repository(tmp_path: Path) -> Callable[[str], GitRepository]:
    return lambda name: GitRepository(tmp_path / name)
