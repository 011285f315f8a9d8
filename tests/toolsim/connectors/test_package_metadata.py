"""Package metadata as of a moment: from a cassette of the public index, and from a small index of the same form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import vcr

from toolsim.connectors import Fetched, Gate, Query
from toolsim.connectors.package_metadata import PackageMetadata
from toolsim.errors import ConnectorError

INDEXED = PackageMetadata("https://index.test", "https://index.test", "https://files.index.test/packages")
CASSETTES = Path(__file__).parent / "cassettes"
DAY = 86_400.0
AS_OF = 1_640_000_000.0  # 2021-12-20
NOW = 1_780_000_000.0


async def public(host: str, port: int) -> tuple[str, ...]:
    return ("93.184.216.34",)


def replayed(name: str):
    return vcr.use_cassette(str(CASSETTES / f"{name}.yaml"), record_mode="none", match_on=["method", "uri", "body"])


def pip(*words: str) -> Query:
    return Query(argv=("pip", *words))


async def test_versions_are_those_of_the_moment():
    with replayed("versions") as cassette:
        found = await Gate(resolve=public).ask(INDEXED, pip("index", "versions", "iniconfig"), AS_OF)
        assert cassette.all_played
    assert found.exact
    assert found.stdout == "iniconfig (1.1.1)\nAvailable versions: 1.1.1, 1.1.0, 1.0.1, 1.0.0, 0.1\n"
    assert found.stderr.startswith("WARNING: pip index is currently an experimental command.")
    assert "2.0.0" not in json.dumps(found.facts)


async def test_a_package_that_the_index_does_not_have_fails_as_pip_does():
    name = "deploysim-has-no-such-package"
    with replayed("unknown"):
        found = await Gate(resolve=public).ask(INDEXED, pip("index", "versions", name), NOW)
    assert (found.exit_code, found.stderr) == (1, f"ERROR: No matching distribution found for {name}\n")


def release(name: str, when: str, **more: object) -> dict:
    digests = {"blake2b_256": "ab" * 32}
    return {"filename": name, "upload_time_iso_8601": when, "digests": digests, "url": "../../mirror/x", **more}


INDEX = {
    "/pypi/demo/json": {
        "info": {"name": "demo", "version": "3.0", "summary": "of today"},
        "releases": {
            "1.0": [release("demo-1.0.tar.gz", "2020-01-01T00:00:00Z", size=10)],
            "1.10": [release("demo-1.10.tar.gz", "2020-02-01T00:00:00Z")],
            "1.9": [release("demo-1.9.tar.gz", "2020-01-15T00:00:00Z")],
            "2.0rc1": [release("demo-2.0rc1.tar.gz", "2020-03-01T00:00:00Z")],
            "1.11": [release("demo-1.11.tar.gz", "2020-03-02T00:00:00Z", yanked=True)],
            "3.0": [release("demo-3.0.tar.gz", "2025-01-01T00:00:00Z")],
            "not a version": [release("demo-x.tar.gz", "2020-01-01T00:00:00Z")],
            "0.1": [],
        },
        "urls": [],
    },
    "/pypi/demo/1.10/json": {
        "info": {"name": "demo", "version": "1.10", "summary": "of then"},
        "urls": [
            release("demo-1.10.tar.gz", "2020-02-01T00:00:00Z"),
            release("demo-1.10-py3-none-any.whl", "2024-02-01T00:00:00Z"),
        ],
        "vulnerabilities": [{"id": "found later"}],
    },
}


async def index(url: str, parameters: object) -> Fetched:
    page = INDEX.get(url.removeprefix("https://index.test"))
    return Fetched(url, 404 if page is None else 200, json.dumps(page).encode())


async def test_prereleases_and_yanked_releases_are_listed_as_pip_lists_them():
    found = await INDEXED.answer(pip("index", "versions", "demo"), index, AS_OF)
    assert found.stdout == "demo (1.11)\nAvailable versions: 1.11, 1.10, 1.9, 1.0\n"
    found = await INDEXED.answer(pip("index", "versions", "--pre", "demo"), index, AS_OF)
    assert found.stdout.startswith("demo (2.0rc1)\n")


async def test_a_package_younger_than_the_moment_does_not_exist():
    found = await INDEXED.answer(pip("index", "versions", "demo"), index, 1_500_000_000.0)
    assert (found.stdout, found.exit_code) == ("", 1)


@pytest.mark.parametrize(
    "query",
    [
        Query(argv=("curl", "-s", "https://index.test/pypi/demo/json")),
        Query(argv=("wget", "-qO-", "https://index.test/pypi/demo/json")),
        Query(tool="fetch", arguments={"url": "https://index.test/pypi/demo/json"}),
    ],
)
async def test_the_document_is_that_of_the_moment(query):
    found = await INDEXED.answer(query, index, AS_OF)
    document = json.loads(found.stdout)
    assert found.exact
    assert document["info"]["summary"] == "of then"
    assert "3.0" not in document["releases"]
    assert [entry["filename"] for entry in document["urls"]] == ["demo-1.10.tar.gz"]
    assert document["urls"][0]["url"].startswith("https://files.index.test/packages/ab/ab/")
    assert document["vulnerabilities"] == []


async def test_an_install_is_not_answered_but_what_it_would_fetch_is_known():
    found = await INDEXED.answer(pip("install", "-q", "demo<1.10", "-r", "x.txt"), index, AS_OF)
    assert not found.exact
    assert "newest that fits <1.10 is 1.9" in found.facts[0]


@pytest.mark.parametrize(
    ("argv", "applies"),
    [
        (("pip", "index", "versions", "demo"), True),
        (("pip3.11", "index", "versions", "demo"), True),
        (("python3", "-m", "pip", "install", "demo"), True),
        (("uv", "pip", "install", "demo"), True),
        (("pip", "install", "-e", "."), False),
        (("pip", "install", "--index-url", "https://own.test/simple", "demo"), False),
        (("pip", "list"), False),
        (("pip",), False),
        (("curl", "-X", "POST", "https://index.test/pypi/demo/json"), False),
        (("curl", "https://elsewhere.test/pypi/demo/json"), False),
        (("curl", "https://index.test/simple/demo/"), False),
        (("npm", "view", "demo"), False),
    ],
)
def test_it_applies_to_what_it_knows(argv, applies):
    assert INDEXED.applies(Query(argv=argv)) is applies


async def test_an_answer_of_another_form_is_an_error_of_ours():
    async def broken(url: str, parameters: object) -> Fetched:
        return Fetched(url, 200, b"<html>")

    with pytest.raises(ConnectorError, match="JSON form"):
        await INDEXED.answer(pip("index", "versions", "demo"), broken, AS_OF)
