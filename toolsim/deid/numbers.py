"""Addresses of machines, telephone numbers, cards and numbers of people. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from toolsim.deid.found import Found, begins
from toolsim.deid.names import MACHINES

_DOTTED = re.compile(r"\.\d{1,3}\.\d{1,3}\.(?P<last>\d{1,3})(?!\w|\.\d|-\w)")
_DASHED = re.compile(r"-(?:\d{3}|(?P<two>\d{2}))-\d{4}(?![\w-])")
_GROUPED = tuple(re.compile(rf"{sign}(?<=\d{sign})\d{{4}}{sign}\d{{4}}{sign}\d{{4}}(?![\w-])") for sign in " -")
_CARD = re.compile(r"(?<![\w.])[3-6]\d{14,15}(?!\w)")
_PLUS = re.compile(
    r"\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,5}(?:[ .-]\d{2,8}){0,4}(?![\w-])|\+[1-9]\d{8,14}(?![\w-])"
)
_PARENS = re.compile(r"\(\d{3}\) ?\d{3}[-. ]\d{4}(?!\w)")
_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:")
_HEX = re.compile(r"[0-9A-Fa-f:]+")
_HEX_BACK = re.compile(r"[0-9A-Fa-f:]*\Z")
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_VERSION = re.compile(r"(?:[vV=~^@/]|[vV]ersion[ \"':=]*)\Z")


def find_numbers(text: str) -> Iterator[Found]:
    """IP and MAC addresses, telephone and card numbers, numbers of people."""
    for match in _DOTTED.finditer(text):
        start = _back(text, match.start(), 3)
        if start is not None and _is_address(text, start, match.end()):
            yield Found("ip", text[start : match.end()])
    yield from _dashed(text)
    if "+" in text:
        for match in _PLUS.finditer(text):
            if _is_phone(text, match):
                yield Found("phone", match[0])
    if "(" in text:
        for match in _PARENS.finditer(text):
            yield Found("phone", match[0])
    if "::" in text or _COLONS.search(text):
        yield from _colons(text)
    if "IBAN" in text or "iban" in text:
        for match in _IBAN.finditer(text):
            if _checks_out(match[0]):
                yield Found("id_number", match[0])


def _dashed(text: str) -> Iterator[Found]:
    """Telephone numbers, numbers of people and cards in groups of digits."""
    for match in _DASHED.finditer(text):
        start = _back(text, match.start(), 3)
        if start is None or match.start() - start != 3:
            continue
        value = text[start : match.end()]
        if not match["two"]:
            yield Found("phone", value)
        elif value[:3] not in {"000", "666"} and value[0] != "9":
            yield Found("id_number", value)
    for pattern in _GROUPED:
        for match in pattern.finditer(text):
            start = _back(text, match.start(), 4)
            if start is not None and match.start() - start == 4 and _luhn(text[start : match.end()]):
                yield Found("card", text[start : match.end()])
    if "card" in text or "Card" in text or "CARD" in text:
        yield from (Found("card", match[0]) for match in _CARD.finditer(text) if _luhn(match[0]))


def _back(text: str, end: int, most: int) -> int | None:
    """Where the number that ends here begins; `None` where it is longer, or part of a name."""
    start = end
    while start and end - start < most and text[start - 1].isdigit():
        start -= 1
    if start == end or not begins(text, start) or text[start - 1 : start] in {".", "-", "_"}:
        return None
    return start


def _is_address(text: str, start: int, end: int) -> bool:
    value = text[start:end]
    parts = value.split(".")
    if any((len(part) > 1 and part[0] == "0") or int(part) > 255 for part in parts):
        return False
    address = ipaddress.IPv4Address(value)
    if value in MACHINES or address.is_loopback or address.is_multicast or address.is_unspecified:
        return False
    if any(address in net for net in _DOCUMENTS):
        return False
    before = text[max(0, start - 12) : start]
    if before.endswith(("//", "@")) and not before.endswith("=@"):
        return True
    if any(address in net for net in _PRIVATE):
        return not value.endswith(".0.0")
    return int(parts[0]) > 10 and parts[2:] != ["0", "0"] and not _VERSION.search(before)


_DOCUMENTS = tuple(
    ipaddress.IPv4Network(net)
    for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "255.0.0.0/8")
)
_PRIVATE = tuple(
    ipaddress.IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)


def _is_phone(text: str, match: re.Match[str]) -> bool:
    digits = sum(c.isdigit() for c in match[0])
    before = text[max(0, match.start() - 1) : match.start()]
    if not 9 <= digits <= 15 or (before and (before.isalnum() or before in "+-=_.)")):
        return False
    separated = sum(c in " -.(" for c in match[0]) >= 2
    # a digit string after a plus at the start of a line is a line of a diff
    return separated or (digits >= 11 and before not in {"", "\n"})


def _colons(text: str) -> Iterator[Found]:
    done = 0
    for match in _COLONS.finditer(text):
        if match.start() < done:
            continue
        back = _HEX_BACK.search(text, max(0, match.start() - 8), match.start())
        start = back.start() if back is not None else match.start()
        run = _HEX.match(text, start)
        assert run is not None
        done = run.end()
        value = run[0].rstrip(":") if not run[0].endswith("::") else run[0]
        if not begins(text, start) or text[done : done + 1].isalnum() or text[done : done + 1] == "_":
            continue
        if _MAC.fullmatch(value):
            if value.strip("0:Ff"):
                yield Found("mac", value)
            continue
        try:
            address = ipaddress.IPv6Address(value)
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified or address in _DOCUMENTS_6 or value.count(":") < 3):
            yield Found("ip", value)


_DOCUMENTS_6 = ipaddress.IPv6Network("2001:db8::/32")


def _luhn(text: str) -> bool:
    digits = [int(c) for c in reversed(text) if c.isdigit()]
    if len(set(digits)) < 3:
        return False
    return (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0


def _checks_out(text: str) -> bool:
    bare = text.replace(" ", "")
    if len(bare) < 15:
        return False
    return int("".join(str(int(c, 36)) for c in bare[4:] + bare[:4])) % 97 == 1
