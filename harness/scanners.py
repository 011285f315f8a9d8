"""Scanners that cost too much for every request: run once over a session, what they find is kept in its map.

detect-secrets (extra `deid`) and the pattern recognisers of Presidio that need neither a model nor the network (extra
`presidio`). Without them the built-in detectors stand alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any, Protocol

from harness.errors import ConfigError
from toolsim.deid.found import Found, Kind

NAMES = ("detect-secrets", "presidio")
_LEAST = 6
_NOISY = frozenset({"HexHighEntropyString", "Base64HighEntropyString", "IPPublicDetector", "PrivateKeyDetector"})
_UNFIT = re.compile(r"[\s\"'`\\<>(){}\[\]]")
_RECOGNISERS: tuple[tuple[str, Kind, float], ...] = (
    ("CreditCardRecognizer", "card", 1.0), ("IbanRecognizer", "id_number", 1.0), ("UsSsnRecognizer", "id_number", 0.5),
    ("PhoneRecognizer", "phone", 0.4), ("CryptoRecognizer", "secret", 1.0), ("UkNinoRecognizer", "id_number", 0.5),
)  # fmt: skip
_LONGEST_PROSE = 20_000


class Scanner(Protocol):
    """Finds values in the texts of one session. `prose` scanners are shown only what people and agents said."""

    name: str
    prose: bool

    def find(self, texts: Iterable[str]) -> Iterator[Found]:
        """Everything found, in order."""


def open_scanner(name: str) -> Scanner:
    """A scanner by its name.

    Raises:
        ConfigError: there is none of this name, or its package is missing.
    """
    if name == "detect-secrets":
        return DetectSecrets()
    if name == "presidio":
        return Presidio()
    raise ConfigError(f"no scanner is called {name!r}; known: {', '.join(NAMES)}")


def available() -> tuple[str, ...]:
    """The scanners whose packages are installed."""
    from importlib.util import find_spec

    modules = {"detect-secrets": "detect_secrets", "presidio": "presidio_analyzer"}
    return tuple(name for name in NAMES if find_spec(modules[name]) is not None)


class DetectSecrets:
    """The plugins of detect-secrets but those that take every hash for a secret (entropy), line by line."""

    name = "detect-secrets"
    prose = False

    def __init__(self) -> None:
        try:
            from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
            from detect_secrets.core.scan import scan_line
            from detect_secrets.settings import transient_settings
        except ImportError as error:
            raise ConfigError("detect-secrets is not installed: pip install 'deploysim[deid]'") from error
        self._scan = scan_line
        self._settings = transient_settings
        classes: dict[str, type] = get_mapping_from_secret_type_to_class()
        self._plugins = sorted({plugin.__name__ for plugin in classes.values()} - _NOISY)

    def find(self, texts: Iterable[str]) -> Iterator[Found]:
        """Values of each line; a line that was seen before is not looked through again."""
        seen: set[str] = set()
        with ExitStack() as stack:
            stack.enter_context(self._settings({"plugins_used": [{"name": name} for name in self._plugins]}))
            for text in texts:
                for line in text.splitlines():
                    if len(line) > 2_000 or line in seen:
                        continue
                    seen.add(line)
                    for secret in self._scan(line):
                        value = secret.secret_value or ""
                        if len(value) >= _LEAST and not _UNFIT.search(value) and not _is_code(value):
                            yield Found("secret", value)


class Presidio:
    """Telephone, card and account numbers by Presidio's recognisers, called without its language model."""

    name = "presidio"
    prose = True

    def __init__(self) -> None:
        try:
            from presidio_analyzer import predefined_recognizers
        except ImportError as error:
            raise ConfigError("Presidio is not installed: pip install 'deploysim[presidio]'") from error
        self._recognisers: list[tuple[Any, Kind, float]] = [
            (getattr(predefined_recognizers, name)(), kind, score) for name, kind, score in _RECOGNISERS
        ]

    def find(self, texts: Iterable[str]) -> Iterator[Found]:
        """Values of each text, of which the first 20,000 characters are read."""
        for text in texts:
            part = text[:_LONGEST_PROSE]
            if not any(character.isdigit() for character in part):
                continue
            for recogniser, kind, least in self._recognisers:
                for hit in recogniser.analyze(part, recogniser.supported_entities, None) or ():
                    value = part[hit.start : hit.end].strip()
                    if hit.score >= least and len(value) >= _LEAST and not re.search(r"[\n\"\\]", value):
                        yield Found(kind, value)


_CODE = re.compile(
    r"[A-Za-z_$][\w$]*(?:[.:]+[\w$?]+)+|\$.*|[A-Z][A-Z0-9_]+|[a-z_]+|.*(?:example|your[-_]|xxxx|\*{3}).*"
)


def _is_code(value: str) -> bool:
    return _CODE.fullmatch(value) is not None
