"""What stands in for a value: of the same kind and shape, drawn by hash from a count, never from the value. Pure."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable, Iterator

from toolsim.deid.found import Found
from toolsim.deid.names import FIRST_NAMES, LAST_NAMES

_ALPHABETS = (string.digits, string.ascii_lowercase, string.ascii_uppercase)

_ONE_DOMAIN = 12  # a recording may hold the domain of the stand-ins itself


def candidates(found: Found, space: str) -> Iterator[str]:
    """Stand-ins for a value, without end; `space` names the map, so that each draws others.

    A user becomes `user417`, an address `mail417@mail.example`, an IP one of the range for tests, a secret characters
    of the same classes and number. Numbers have three digits: models make up `user1` themselves.
    """
    make = _FORMS.get(found.kind, _like)
    n = 0
    while True:
        made = make(found, _draw(space, found.kind, n))
        yield made.replace("mail.example", f"post{n}.example") if found.kind == "email" and n >= _ONE_DOMAIN else made
        n += 1


def _draw(space: str, kind: str, n: int) -> bytes:
    return hashlib.sha256(f"{space}\0{kind}\0{n}".encode()).digest()


def _number(seed: bytes, low: int, high: int) -> int:
    return low + int.from_bytes(seed[:8], "big") % (high - low)


def _user(found: Found, seed: bytes) -> str:
    first = found.value[0]
    name = f"user{_number(seed, 100, 10_000)}"
    return name.upper() if found.value.isupper() else name.capitalize() if first.isupper() else name


def _person(found: Found, seed: bytes) -> str:
    first, last = FIRST_NAMES[seed[0] % len(FIRST_NAMES)], LAST_NAMES[seed[1] % len(LAST_NAMES)]
    if " " in found.value:
        return f"{first} {last}"
    name = f"{last}{_number(seed, 100, 1000)}"
    return name.upper() if found.value.isupper() else name if found.value[0].isupper() else name.lower()


def _email(found: Found, seed: bytes) -> str:
    sign = next(sign for sign in ("%40", "\\u0040", "@") if sign in found.value)
    return f"mail{_number(seed, 100, 10_000)}{sign}mail.example"


def _host(found: Found, seed: bytes) -> str:
    _, dot, top = found.value.rpartition(".")
    return f"host{_number(seed, 100, 10_000)}{dot}{top if dot and top.isalpha() else 'x' if dot else ''}"


def _ip(found: Found, seed: bytes) -> str:
    if ":" in found.value:
        return f"2001:db8::{_number(seed, 256, 65_536):x}"
    return f"198.{18 + seed[0] % 2}.{seed[1]}.{1 + seed[2] % 254}"


def _mac(_: Found, seed: bytes) -> str:
    return ":".join(["02", *(f"{byte:02x}" for byte in seed[:5])])


def _phone(found: Found, seed: bytes) -> str:
    if found.value[0] == "(":
        return f"(555) {_number(seed, 100, 1000)}-{_number(seed[8:], 1000, 10_000)}"
    plus = "+1-" if found.value[0] == "+" else ""
    return f"{plus}555-{_number(seed, 100, 1000)}-{_number(seed[8:], 1000, 10_000)}"


def _like(found: Found, seed: bytes) -> str:
    """As many characters of the same classes, with the beginning that only says what it is."""
    text = found.value[: found.keep]
    stream = _stream(seed)
    for character in found.value[found.keep :]:
        alphabet = next((a for a in _ALPHABETS if character in a), character)
        text += alphabet[next(stream) % len(alphabet)]
    return text


def _stream(seed: bytes) -> Iterator[int]:
    while True:
        yield from seed
        seed = hashlib.sha256(seed).digest()


_FORMS: dict[str, Callable[[Found, bytes], str]] = {
    "user": _user, "person": _person, "email": _email, "host": _host, "ip": _ip, "mac": _mac, "phone": _phone,
}  # fmt: skip
