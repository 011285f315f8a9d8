"""Keys, tokens, private key blocks and what was assigned to a telling name. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from toolsim.deid.found import Found, begins, ends
from toolsim.deid.names import COMMON_PASSWORDS

_TOKENS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (gates, re.compile(pattern))
    for gates, pattern in (
        ((), r"(?P<keep>A(?:KIA|SIA|ROA|IDA))[A-Z0-9]{16}"),
        ((), r"(?P<keep>gh[pousr]_)[A-Za-z0-9]{30,}"),
        (("github_pat_",), r"(?P<keep>github_pat_)[A-Za-z0-9_]{22,}"),
        ((), r"(?P<keep>gl(?:pat|dt|rt)-)[A-Za-z0-9_-]{18,}"),
        (("xox",), r"(?P<keep>xox[abeprs]-)[A-Za-z0-9-]{10,}"),
        (("xapp-",), r"(?P<keep>xapp-)[A-Za-z0-9-]{10,}"),
        (("hooks.slack.com",), r"(?P<keep>hooks\.slack\.com/(?:services|workflows)/)[A-Za-z0-9/]{20,}"),
        (
            ("k_live_", "k_test_", "whsec_"),
            r"(?P<keep>(?:[srp]k_(?:live|test)|whsec)_)[A-Za-z0-9]{10,}",
        ),
        (("sk-",), r"(?P<keep>sk-(?:ant-|proj-|or-|svcacct-)?)[A-Za-z0-9_-]{16,}"),
        (("AIza",), r"(?P<keep>AIza)[A-Za-z0-9_-]{35}"),
        (("ya29.",), r"(?P<keep>ya29\.)[A-Za-z0-9_-]{20,}"),
        (("GOCSPX-",), r"(?P<keep>GOCSPX-)[A-Za-z0-9_-]{20,}"),
        (("npm_",), r"(?P<keep>npm_)[A-Za-z0-9]{36}"),
        (("pypi-",), r"(?P<keep>pypi-)[A-Za-z0-9_-]{50,}"),
        (("hf_",), r"(?P<keep>hf_)[A-Za-z0-9]{30,}"),
        (("SG.",), r"(?P<keep>SG\.)[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,}"),
        (("dop_v1_",), r"(?P<keep>dop_v1_)[a-f0-9]{60,}"),
        (("shpat_", "shpss_"), r"(?P<keep>shp(?:at|ss)_)[a-fA-F0-9]{32}"),
        (("lin_api_",), r"(?P<keep>lin_api_)[A-Za-z0-9]{30,}"),
        (("AccountKey=",), r"(?P<keep>AccountKey=)[A-Za-z0-9+/]{60,}={0,2}"),
        (("eyJ",), r"(?P<keep>eyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
        (("earer ",), r"[Bb]earer (?P<value>[A-Za-z0-9._~+/-]{16,}=*)"),
        (("asic ",), r"[Bb]asic (?P<value>[A-Za-z0-9+/]{8,}={0,2})(?![\w ])"),
    )
)
_NAMES = ("passw", "passphrase", "pwd", "secret", "token", "_key", "-key", "apikey", "accesskey", "credential")
_KEYS = (
    "api",
    "access",
    "private",
    "secret",
    "encryption",
    "signing",
    "auth",
    "client",
    "account",
    "master",
    "service",
)
_ASSIGNED = re.compile(
    r"(?:[A-Za-z0-9_.-]{0,40}(?:\\{0,3}[\"'])?\]? {0,3}(?:=>|:=|==?|:) {0,3}| (?=\S*\d))(?P<quote>[brf]?\\{0,3}[\"'`])?"
    r"(?P<value>[^\s\"'`,;<>(){}\[\]\\|&]{8,200})"
)
_CODE = re.compile(
    r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$?]*)+|\$.*|%.*%?|[/.~].*|[a-z][a-z0-9+.-]*://.*|[A-Z][A-Z0-9_]+|[a-z]+(?:[A-Z][a-z]+)+\d{0,2}"
    r"|(?:[A-Z][a-z]+)+\d{0,2}|[a-z]+(?:[_-][a-z]+)*[_-]?\d{0,4}|v?\d[\d._:/-]*|.*(?:example|changeme|placeholder|your[-_]|xxxx|\*{3}|\.{3}).*"
)
_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
_BLOCK_END = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY")
_LINE = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
_LONGEST_BLOCK = 16_384
_LOGIN = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'<>]{0,64}:(?P<secret>[^\s@/\"'<>{}$]{4,120})@")


def find_secrets(text: str) -> Iterator[Found]:
    """Tokens of known form, private keys, logins in addresses, and random values with a telling name."""
    for gates, pattern in _TOKENS:
        if not gates or any(gate in text for gate in gates):
            for match in pattern.finditer(text):
                yield from _token(text, match)
    if "PRIVATE KEY" in text:
        yield from _blocks(text)
    if "://" in text and "@" in text:
        for match in _LOGIN.finditer(text):
            if match["secret"].lower() not in COMMON_PASSWORDS:
                yield Found("secret", match["secret"])
    yield from _assigned(text)


def _token(text: str, match: re.Match[str]) -> Iterator[Found]:
    groups = match.groupdict()
    if groups.get("value"):
        if _random(groups["value"], least=8) and not _CODE.fullmatch(groups["value"]):
            yield Found("token", groups["value"])
        return
    value, keep = match[0], len(groups["keep"])
    if begins(text, match.start()) and ends(text, match.end()) and len(set(value[keep:])) > 4:
        if value.startswith("sk-") and not any(c.isdigit() for c in value):
            return  # `sk-` begins words of style sheets too
        yield Found("token", value.rstrip("-"), keep)


def _blocks(text: str) -> Iterator[Found]:
    for match in _BLOCK.finditer(text):
        end = _BLOCK_END.search(text, match.end(), match.end() + _LONGEST_BLOCK)
        body_end = end.start() if end else min(len(text), match.end() + _LONGEST_BLOCK)
        at = match.end()
        while (line := _LINE.search(text, at, body_end)) is not None:
            at = line.end()
            value = line[0]
            start = line.start()
            if start and text[start - 1] == "\\" and value[0] in "nrt":
                value = value[1:]  # the letter of an escaped line end
            yield Found("private_key", value)


def _assigned(text: str) -> Iterator[Found]:
    low = text.lower()
    for name in _NAMES:
        at = low.find(name)
        while at >= 0:
            if name[0] not in "_-" or low.endswith(_KEYS, max(0, at - 10), at):
                yield from _value(text, name, at + len(name))
            at = low.find(name, at + len(name))


def _value(text: str, name: str, at: int) -> Iterator[Found]:
    match = _ASSIGNED.match(text, at)
    if match is not None:
        value = match["value"].rstrip(".:!?")
        if _is_secret(name, value, quoted=match["quote"] is not None):
            yield Found("secret", value)


def _is_secret(name: str, value: str, *, quoted: bool) -> bool:
    """Whether a value that was given to a telling name looks drawn at random or made up as a password."""
    if len(value) < 8 or not value.isascii() or _CODE.fullmatch(value):
        return False
    if name in {"passw", "passphrase", "pwd"}:
        kinds = sum(any(test(c) for c in value) for test in (str.isalpha, str.isdigit, lambda c: not c.isalnum()))
        return kinds >= (2 if quoted else 3) and entropy(value) >= 2.5 and (quoted or "/" not in value)
    return _random(value, least=12 if quoted else 16)


def _random(value: str, *, least: int) -> bool:
    digits = sum(c.isdigit() for c in value)
    if len(value) < least or not digits or entropy(value) < 3.0:
        return False
    mixed = any(c.islower() for c in value) and any(c.isupper() for c in value)
    return mixed or digits >= len(value) / 6


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits a character."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
