"""Metadata of Python packages as the public index had it at a moment, from its JSON API (`/pypi/NAME/json`).

Source: the API's reference in the documentation of Warehouse, the software of PyPI. A release exists as of a moment if
one of its files was uploaded by then. What the index forgets (deleted releases and files) cannot be seen; a yank is
shown with every moment, since the API does not date it.
"""

from __future__ import annotations

import importlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolsim.connectors.base import Fetch, Fetched, Query, Sourced
from toolsim.errors import ConnectorError
from toolsim.trajectory import JsonObject

INDEX_VARIABLE = "DEPLOYSIM_PACKAGE_INDEX"
_STABLE_INDEX_COMMAND = 1745625600.0  # pip 25.1 (2025-04-26) no longer calls `pip index` experimental
_VALUE_OPTIONS = frozenset({
    "-i", "--index-url", "--extra-index-url", "--python-version", "--platform", "-r", "--requirement", "-c",
    "--constraint", "-t", "--target", "-d", "--dest", "--progress-bar", "-f", "--find-links", "--timeout", "--retries",
    "--only-binary", "--no-binary", "--prefix", "--root", "--implementation", "--abi", "--python", "-p",
})  # fmt: skip
_OTHER_INDEX = frozenset({"-i", "--index-url", "--extra-index-url", "--find-links", "-f", "--no-index"})
_QUIET_CURL = frozenset(
    {"-s", "-S", "-f", "-L", "-sS", "-sL", "-fsSL", "-sSL", "-fsS", "--silent", "--location", "--fail"}
)
_QUIET_WGET = frozenset({"-q", "-O", "-", "-qO-", "-O-", "--quiet"})


class _File(BaseModel):
    model_config = ConfigDict(extra="allow")

    filename: str
    upload_time_iso_8601: datetime
    yanked: bool = False
    size: int = 0
    requires_python: str | None = None
    packagetype: str = ""


class _Project(BaseModel):
    model_config = ConfigDict(extra="allow")

    info: dict[str, Any]
    releases: dict[str, list[_File]] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a query asks: `versions` (pip index), `json` (the API's document), or `facts` (what pip would fetch)."""

    what: str
    package: str
    version: str | None = None
    pre: bool = False
    specifier: str = ""


@dataclass(frozen=True, slots=True)
class PackageMetadata:
    """The index at `base_url`, under the name by which the agent knows it (`public`); files stand below `files`."""

    base_url: str
    public: str
    files: str
    name: str = "package metadata"

    @property
    def hosts(self) -> frozenset[str]:
        """The one host that is asked."""
        return frozenset({urlsplit(self.base_url).hostname or ""})

    def applies(self, query: Query) -> bool:
        """`pip index versions X`, `pip install|download X`, and a fetch of the API's document for X."""
        return bool(self._wanted(query))

    async def answer(self, query: Query, fetch: Fetch, as_of: float) -> Sourced | None:
        """The index's answer with the files uploaded by `as_of`.

        Raises:
            ConnectorError: refused, failed, or the answer is not of the API's form.
        """
        wanted = self._wanted(query)
        if len(wanted) == 1 and wanted[0].what != "facts":
            return await self._exact(wanted[0], fetch, as_of)
        facts: list[str] = []
        urls: list[str] = []
        for one in wanted[:5]:
            fetched, project = await self._project(one.package, fetch, as_of)
            facts.append(_fact(one, project, as_of))
            urls.append(fetched.url)
        return Sourced(tuple(facts), urls=tuple(urls)) if facts else None

    async def _exact(self, wanted: _Wanted, fetch: Fetch, as_of: float) -> Sourced:
        fetched, project = await self._project(wanted.package, fetch, as_of)
        facts = (_fact(wanted, project, as_of),)
        if wanted.what == "versions":
            return _index_versions(wanted, project, facts, fetched.url, as_of)
        version = wanted.version or _latest(project, pre=False) or _latest(project, pre=True)
        if project is None or version is None or version not in project.releases:
            return Sourced(facts, True, '{"message": "Not Found"}', urls=(fetched.url,))
        url = f"{self.base_url}/pypi/{quote(wanted.package)}/{quote(version)}/json"
        release = await fetch(url, {})
        if release.status != 200:  # what the index says of its newest release would be of today
            return Sourced(facts, urls=(fetched.url, url))
        body = _document(release, project, version, self.files, whole=wanted.version is None)
        return Sourced(facts, True, body, urls=(fetched.url, url))

    async def _project(self, package: str, fetch: Fetch, as_of: float) -> tuple[Fetched, _Project | None]:
        fetched = await fetch(f"{self.base_url}/pypi/{quote(package)}/json", {})
        if fetched.status == 404:
            return fetched, None
        try:
            project = _Project.model_validate_json(fetched.body)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise ConnectorError(f"{fetched.url} is not the index's JSON form: {reason}") from error
        known = {
            v: [f for f in files if f.upload_time_iso_8601.timestamp() <= as_of]
            for v, files in project.releases.items()
        }
        releases = {version: files for version, files in known.items() if files}
        return fetched, _Project(info=project.info, releases=releases) if releases else None

    def _wanted(self, query: Query) -> tuple[_Wanted, ...]:
        if query.argv:
            return _from_argv(query.argv, self.public)
        url = query.arguments.get("url")
        document = _document_url(url, self.public) if isinstance(url, str) else None
        if document is None:
            return ()
        exact = not set(query.arguments) - {"url"}
        return (document if exact else _Wanted("facts", document.package, document.version),)


def public_index() -> PackageMetadata | None:
    """The public index as the installed pip knows it, or the one that `DEPLOYSIM_PACKAGE_INDEX` names; else `None`."""
    named = os.environ.get(INDEX_VARIABLE)
    if named:
        base = named.rstrip("/")
        return PackageMetadata(base, base, f"{base}/packages")
    try:
        known = importlib.import_module("pip._internal.models.index").PyPI
    except (ImportError, AttributeError):
        return None
    base = str(known.url).rstrip("/")
    return PackageMetadata(base, base, f"https://{known.file_storage_domain}/packages")


def _from_argv(argv: tuple[str, ...], public: str) -> tuple[_Wanted, ...]:
    words = list(argv)
    name = words[0].rpartition("/")[2]
    if name.startswith("python") and words[1:3] == ["-m", "pip"]:
        words, name = words[2:], "pip"
    if name == "uv" and words[1:2] == ["pip"]:
        words, name = words[1:], "pip"
    if name in {"curl", "wget"}:
        return _from_download(words[1:], _QUIET_CURL if name == "curl" else _QUIET_WGET, public, name == "wget")
    if name.rstrip("0123456789.") != "pip" or len(words) < 2 or any(w.split("=")[0] in _OTHER_INDEX for w in words):
        return ()
    plain, options = _arguments(words[1:])
    if plain[:2] == ["index", "versions"] and len(plain) == 3 and not options - {"--pre"}:
        return (_Wanted("versions", plain[2], pre="--pre" in options),)
    if plain[:1] in (["install"], ["download"]):
        found = [_requirement(word) for word in plain[1:]]
        return tuple(one for one in found if one is not None)
    return ()


def _arguments(words: list[str]) -> tuple[list[str], set[str]]:
    plain: list[str] = []
    options: set[str] = set()
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            options.add(word.partition("=")[0])
            skip = word in _VALUE_OPTIONS
        else:
            plain.append(word)
    return plain, options


def _requirement(word: str) -> _Wanted | None:
    if "/" in word or word.startswith(".") or ":" in word:
        return None
    name = word.partition(";")[0].strip()
    cut = min((name.find(c) for c in "<>=!~[" if c in name), default=len(name))
    specifier = name[name.find("]") + 1 :] if "[" in name else name[cut:]
    return _Wanted("facts", name[:cut].strip(), specifier=specifier.strip()) if name[:cut].strip() else None


def _from_download(words: list[str], quiet: frozenset[str], public: str, wget: bool) -> tuple[_Wanted, ...]:
    urls = [word for word in words if not word.startswith("-") and word != "-"]
    document = _document_url(urls[0], public) if len(urls) == 1 else None
    if document is None:
        return ()
    flags = {word for word in words if word not in urls}
    silent = (
        flags & {"-qO-"} or ({"-q", "-O"} <= flags)
        if wget
        else any("s" in f and f[:2] != "--" for f in flags) or "--silent" in flags
    )
    if flags - quiet or not silent:
        return (_Wanted("facts", document.package, document.version),)
    return (document,)


def _document_url(url: str, public: str) -> _Wanted | None:
    parts, home = urlsplit(url), urlsplit(public)
    path = parts.path.strip("/").split("/")
    if parts.hostname != home.hostname or path[:1] != ["pypi"] or path[-1:] != ["json"] or parts.query:
        return None
    if len(path) == 3:
        return _Wanted("json", path[1])
    return _Wanted("json", path[1], path[2]) if len(path) == 4 else None


def _versions(project: _Project | None, *, pre: bool) -> list[Version]:
    found: list[Version] = []
    for text in project.releases if project is not None else ():
        try:
            version = Version(text)
        except InvalidVersion:
            continue
        if pre or not version.is_prerelease:
            found.append(version)
    return sorted(found, reverse=True)


def _latest(project: _Project | None, *, pre: bool) -> str | None:
    """The newest release that is not wholly yanked, in the index's own spelling."""
    if project is None:
        return None
    spelt = {}
    for text, files in project.releases.items():
        if not all(file.yanked for file in files):
            spelt[text] = files
    versions = _versions(_Project(info=project.info, releases=spelt), pre=pre)
    return next((text for text in spelt if versions and _is(text, versions[0])), None)


def _is(text: str, version: Version) -> bool:
    try:
        return Version(text) == version
    except InvalidVersion:
        return False


def _index_versions(
    wanted: _Wanted, project: _Project | None, facts: tuple[str, ...], url: str, as_of: float
) -> Sourced:
    versions = _versions(project, pre=wanted.pre)
    warning = (
        "WARNING: pip index is currently an experimental command. "
        "It may be removed/changed in a future release without prior warning.\n"
    )
    stderr = warning if as_of < _STABLE_INDEX_COMMAND else ""
    if not versions:
        failure = f"ERROR: No matching distribution found for {wanted.package}\n"
        return Sourced(facts, True, "", stderr + failure, 1, _ASSUMED, (url,))
    listed = ", ".join(map(str, versions))
    stdout = f"{wanted.package} ({versions[0]})\nAvailable versions: {listed}\n"
    return Sourced(facts, True, stdout, stderr, 0, _ASSUMED, (url,))


_ASSUMED = (
    "the interpreter can use every release",
    "the package is not installed",
    "pip was of the newest version of that time",
)


def _fact(wanted: _Wanted, project: _Project | None, as_of: float) -> str:
    day = datetime.fromtimestamp(as_of, UTC).strftime("%Y-%m-%d")
    if project is None:
        return f"On {day} the package index has no package {wanted.package!r}."
    latest = _latest(project, pre=False) or _latest(project, pre=True)
    versions = _versions(project, pre=True)
    chosen = _matching(wanted, versions)
    files = next((f for text, f in project.releases.items() if chosen is not None and _is(text, chosen)), [])
    names = ", ".join(f"{f.filename} ({f.size} bytes)" for f in files[:3])
    name = canonicalize_name(wanted.package)
    parts = [f"On {day} the newest release of {name} in the package index is {latest}."]
    if wanted.specifier:
        parts.append(f"The newest that fits {wanted.specifier} is {chosen or 'none'}.")
    if names:
        parts.append(f"Files of {chosen}: {names}.")
    return " ".join(parts)


def _matching(wanted: _Wanted, versions: list[Version]) -> Version | None:
    try:
        specifier = SpecifierSet(wanted.specifier)
    except InvalidSpecifier:
        return None
    fitting = list(specifier.filter(versions))
    return max(fitting, default=None)


def _document(release: Fetched, project: _Project, version: str, home: str, *, whole: bool) -> str:
    """The API's document as it was: the release's own `info`, `urls` uploaded by then, and the releases of then."""
    try:
        body: JsonObject = json.loads(release.body)
    except ValueError as error:
        raise ConnectorError(f"{release.url} is no JSON: {error}") from error
    names = {file.filename for file in project.releases[version]}
    files = {v: [_public(json.loads(f.model_dump_json()), home) for f in fs] for v, fs in project.releases.items()}
    body["urls"] = [_public(entry, home) for entry in body.get("urls", ()) if entry.get("filename") in names]
    body["vulnerabilities"] = []
    if whole:
        body["releases"] = files
    order = ("info", "last_serial", "ownership", "releases", "urls", "vulnerabilities")
    return json.dumps({key: body[key] for key in order if key in body}, ensure_ascii=True)


def _public(entry: JsonObject, home: str) -> JsonObject:
    """A file's entry with the address that the public index gives it; mirrors write their own."""
    digest = (entry.get("digests") or {}).get("blake2b_256")
    if not isinstance(digest, str) or len(digest) < 5:
        return entry
    return {**entry, "url": f"{home}/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{entry['filename']}"}
