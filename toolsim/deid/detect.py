"""All built-in detectors over one text. Pure; what costs more (detect-secrets, Presidio) is `harness.scanners`."""

from __future__ import annotations

from toolsim.deid.found import Found
from toolsim.deid.numbers import find_numbers
from toolsim.deid.people import find_people
from toolsim.deid.secrets import find_secrets


def find(text: str) -> tuple[Found, ...]:
    """Each value once, in the order in which the detectors came upon them."""
    return tuple(dict.fromkeys((*find_secrets(text), *find_people(text), *find_numbers(text))))
