"""Accounts in paths and listings, mail addresses, people beside their address, machines. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolsim.deid.found import Found, begins
from toolsim.deid.names import ACCOUNTS, FILES, NOBODY, WORDS

_HOME = re.compile(  # the word first: a regex that begins with its separators is four times as slow
    r"(?:home|Users)(?:(?<=[/\\]home)|(?<=[/\\]Users)|(?<=%2[Ff]home|%5[Cc]home)|(?<=%2[Ff]Users|%5[Cc]Users))"
    r"(?P<sep>/|%2[Ff]|\\{1,4}|%5[Cc])(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,31})"
    r"(?P<more>(?: [A-Za-z][\w.-]*){1,2}(?=\\|%5[Cc]))?"
)
_HOME_GATES = ("/home/", "/Users/", "\\Users\\", "2FUsers", "2Fhome", "2fUsers", "2fhome", "5CUsers", "5cUsers")
_MODES = ("rw-r", "rwxr", "r--r", "rw--", "rwx-", "r-xr", "rwxrwx")
_OWNER = re.compile(
    r"[bcdlps-](?:[r-][w-][xsStT-]){3}[@+.]?[ \t]+\d+[ \t]+(?P<owner>[A-Za-z_][\w.-]{0,31})[ \t]+[\w.-]+[ \t]+\d"
)
_LOCAL = re.compile(r"[A-Za-z0-9._+'-]{1,64}\Z")
_DOMAIN = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.(?P<top>[A-Za-z]{2,24})(?![A-Za-z0-9-])")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{1,62}(?:\.[A-Za-z0-9-]{1,63})*")
_PROMPT = re.compile(r"(?::\s?[~/]|[ \t]+[~/]\S*[ \t]*[%$#]|:\S{0,60}[$#] )")
_LOGS_IN = re.compile(r"(?:\b(?:ssh|scp|sftp)\s(?:-\S+\s+(?:\S+\s+)??)*|ssh-\w+ AAAA\S+ )\Z")
_AT = re.compile(r"@|%40|\\u0040")
_NAMED = re.compile(
    r"(?P<name>[^\W\d_][\w.'’-]*(?:[ ][^\W\d_][\w.'’-]*){0,3})[ ]?(?:<|&lt;|\\u003c)\Z"
)  # before an address in angle brackets
_BY = re.compile(r"(?:author|committer|-by|from|to|cc|maintainer)s?[\"']?\s*[:=]?\s*[\"']?\Z", re.IGNORECASE)
_USER_NAME = re.compile(
    r"user\.name(?:[= ]+\\{0,3}[\"']?|\\?[\"']?\s*[:=]\s*\\?[\"'])(?P<name>[^\W\d_][\w.'’ -]{1,40}\w)"
)
_INTERNAL = re.compile(r"\.(?:local|lan|internal|corp|intranet|localdomain)(?![A-Za-z0-9_(=-]|\.[A-Za-z0-9])")
_LABELS = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,100}[A-Za-z0-9])?\Z")
_UNAME = re.compile(r"(?:Linux|Darwin) (?P<host>[A-Za-z0-9][\w.-]{1,62}) \d+\.\d+")

_EXAMPLES = re.compile(
    r"(?:^|\.)(?:example|test|invalid|localhost)\Z|(?:^|\.)example\.(?:com|org|net)\Z|(?:^|\.)users\.noreply\.", re.I
)
_BOTS = re.compile(
    r"bot\b|\bbot|claude|copilot|codex|gpt|github|gitlab|dependabot|renovate|openhands|cursor|devin", re.I
)
_LOGINS = frozenset({"git", "hg", "noreply"})
_JOINTS = frozenset({"and", "or", "by", "with", "email", "mail", "address", "user"})
_PUBLIC_HOSTS = re.compile(r"(?:^|\.)(?:github|gitlab|bitbucket|ssh\.dev|heroku|sourceforge|codeberg)\.[a-z]+\Z", re.I)
_GENERIC_HOSTS = re.compile(
    r"(?:^|\.)(?:localhost|docker\.internal|google\.internal|cluster\.local|localhost\.localdomain)\Z", re.I
)


def find_people(text: str) -> Iterator[Found]:
    """Users, people, mail addresses and hosts."""
    yield from _homes(text)
    if any(gate in text for gate in _MODES):
        for match in _OWNER.finditer(text):
            yield from _user(match["owner"])
    if "@" in text or "%40" in text or "u0040" in text:
        for at in _AT.finditer(text):
            yield from _around(text, at.start(), at.end())
    if "user.name" in text:
        for match in _USER_NAME.finditer(text):
            yield from _person(match["name"])
    yield from _hosts(text)


def account(name: str) -> Found | None:
    """The account of this name, unless it identifies nobody."""
    name = name.rstrip("._-")
    if len(name) < 2 or name.lower() in ACCOUNTS or name.isdigit():
        return None
    if name.rpartition(".")[2].lower() in FILES and "." in name:
        return None
    return Found("user", name, word=name.lower() in WORDS or len(name) < 4)


def _user(name: str) -> Iterator[Found]:
    found = account(name)
    if found is not None:
        yield found


def _homes(text: str) -> Iterator[Found]:
    if not any(gate in text for gate in _HOME_GATES):
        return
    for match in _HOME.finditer(text):
        start = _separator(text, match.start())
        rooted = begins(text, start) and text[start - 1 : start] not in {".", "-", "_", "~", "}", ")", "]", ">"}
        drive = match["sep"][0] in "\\%" or text[start - 1 : start] == ":"
        mounted = text[max(0, start - 6) : start].endswith(("/c", "/d", "/mnt/c", "/host_mnt", "/System/Volumes/Data"))
        flag = start > 1 and text[start - 2] == "-" and text[start - 1].isalpha()
        if not (rooted or drive or mounted or flag):
            continue
        if match["more"]:
            yield Found("user", match["name"] + match["more"])
        else:
            yield from _user(match["name"])


def _separator(text: str, end: int) -> int:
    """Where the separator before `end` begins: a slash, up to four backslashes, or either as an escape."""
    if text[end - 1] == "\\":
        near = text[max(0, end - 4) : end]
        return end - len(near) + len(near.rstrip("\\"))
    return end - 1 if text[end - 1] == "/" else end - 3


def _around(text: str, start: int, end: int) -> Iterator[Found]:
    """What stands on both sides of an at sign: an address, or an account on a machine."""
    before = _LOCAL.search(text, max(0, start - 64), start)
    if before is None:
        return
    local_start = _unescaped(text, before.start())
    local = text[local_start:start].lstrip(".'-")
    if not local:
        return
    local_start = start - len(local)
    domain = _DOMAIN.match(text, end)
    if domain is not None and _is_mail(text, local, domain):
        yield Found("email", text[local_start : domain.end()])
        named = _NAMED.search(text, max(0, local_start - 90), local_start)
        if named is not None:
            by = _BY.search(text, max(0, named.start() - 20), named.start()) is not None
            yield from _person(named["name"], by=by)
        return
    host = _HOST.match(text, end)
    if host is None or local.lower() in _LOGINS or local[0].isdigit():
        return
    name = host[0].rstrip(".-")
    shell = _PROMPT.match(text, end + len(name)) is not None
    if not shell and ("ssh" in text or "scp" in text or "sftp" in text):
        shell = _LOGS_IN.search(text, max(0, local_start - 900), local_start) is not None
    if shell and not _GENERIC_HOSTS.search(name) and not _PUBLIC_HOSTS.search(name):
        yield from _user(local)
        if name.lower() not in ACCOUNTS and not re.fullmatch(r"[\d.]+", name):
            yield Found("host", name, word=name.lower() in WORDS or len(name) < 4)


def _is_mail(text: str, local: str, domain: re.Match[str]) -> bool:
    """Whether it is somebody's address: no package, file, example, or account on a public host (`git@github.com:`)."""
    if domain["top"].lower() in FILES or _is_version(text, domain.start()) or local.lower() in NOBODY:
        return False
    login = _PUBLIC_HOSTS.search(domain[0]) is not None and text[domain.end() : domain.end() + 1] == ":"
    return not (login or _EXAMPLES.search(domain[0]))


def _is_version(text: str, at: int) -> bool:
    """`name@1.2.3`, `name@v1.2.3`: a package."""
    return re.match(r"[v^~]?\d+\.\d", text[at : at + 12]) is not None


def _unescaped(text: str, start: int) -> int:
    """Where an address begins that was scanned back over the letters of an escape (`\\n`, `%3C`)."""
    if start and text[start - 1] == "\\" and text[start] in "nrtbf":
        return start + 1
    if start and text[start - 1] == "\\" and re.match(r"u[0-9A-Fa-f]{4}", text[start : start + 5]):
        return start + 5
    if start and text[start - 1] == "%" and re.match(r"[0-9A-Fa-f]{2}", text[start : start + 2]):
        return start + 2
    return start


def _person(name: str, *, by: bool = True) -> Iterator[Found]:
    """A name beside its address; a single or uncapitalised word only after a word such as `Author:`."""
    if ":" in name:
        name = name.rpartition(":")[2]
    name = re.sub(r"^(?:[Aa]uthor|[Cc]ommitter|[Ff]rom|[Tt]o)\s+", "", name.strip())
    words = name.split()
    if not words or len(name) < 3 or _BOTS.search(name) or not all(word[0].isalpha() for word in words):
        return
    capital = all(word[0].isupper() or word in {"de", "van", "von", "der", "den", "la", "da", "dos"} for word in words)
    if len(words) > 1 and capital:
        yield Found("person", name)
    elif by and len(words) == 1 and name.lower() not in ACCOUNTS | _JOINTS:
        yield Found("person", name, word=name.lower() in WORDS or len(name) < 4)


def _hosts(text: str) -> Iterator[Found]:
    for match in _INTERNAL.finditer(text):
        labels = _LABELS.search(text, max(0, match.start() - 100), match.start())
        if labels is None:
            continue
        host = labels[0] + match[0]
        before = text[max(0, labels.start() - 3) : labels.start()]
        telling = before.endswith(("://", "@")) or "-" in host or any(c.isdigit() for c in host)
        inner = before[-1:] in {".", "/", "\\", "_", "$"} and not before.endswith("://")
        if telling and not inner and not _GENERIC_HOSTS.search(host):
            yield Found("host", host)
    if "Linux " in text or "Darwin " in text:
        for match in _UNAME.finditer(text):
            if match["host"].lower() not in ACCOUNTS and not match["host"].startswith("localhost"):
                yield Found("host", match["host"], word=match["host"].lower() in WORDS or len(match["host"]) < 4)
