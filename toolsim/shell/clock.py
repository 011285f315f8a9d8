"""The session's clock inside one command, and the programs that only read or move it: `sleep`, `date`, deadlines."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from toolsim.actions import Unknown
from toolsim.shell.base import ProgramResult

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)([smhd]?)")
_MOMENT = re.compile(r"\d{1,12}(?:\.\d{1,20})?")
_LONGEST = 1e8
_WIDE = re.compile(r"%[-_0^#+:]*\d{3}")
_ZONE = re.compile(r"(?![/:])(?!.*\.\.)[\w+\-/:,.<>]*")
_ZONELESS = re.compile(r"[^%]|%[%snt]")


@dataclass(slots=True)
class Clock:
    """Virtual time of one command: `start` and `now` in seconds (Unix time where `known`), `limit` its end."""

    start: float
    known: bool
    limit: float | None = None
    now: float = 0.0

    def __post_init__(self) -> None:
        self.now = self.start

    def spend(self, started: float, seconds: float, deadline: float | None) -> tuple[bool, bool]:
        """A run that began at `started` took `seconds`: whether it passed its deadline, and the command's limit."""
        end = started + max(0.0, seconds)
        ends = [t for t in (deadline, self.limit) if t is not None]
        allowed = min(ends, default=end)
        self.now = max(self.now, min(end, allowed))
        over = end >= allowed and bool(ends)  # the timer was set first, so at the same moment it wins
        return over and allowed == deadline, over and allowed == self.limit

    @property
    def spent(self) -> float:
        """Virtual seconds since the command began."""
        return self.now - self.start


def seconds(text: str) -> float | None:
    """A duration as `sleep` and `timeout` take it; `None` if it is none, or one that no command waits for."""
    match = _DURATION.fullmatch(text)
    value = None if match is None else float(match.group(1)) * _UNITS[match.group(2)]
    return None if value is None or value > _LONGEST else value


def answer(argv: tuple[str, ...], clock: Clock, zone: str | None, userland: str) -> ProgramResult | Unknown | None:
    """The result of a program about time; `None` if it is none of them (or a form for somebody else to answer)."""
    name = argv[0].rpartition("/")[2]
    if name == "sleep":
        return _sleep(argv[1:])
    if name == ":deadline":
        end = clock.now + (seconds(argv[1] if len(argv) > 1 else "") or float("inf"))
        if len(argv) > 2 and (outer := _moment(argv[2])) is not None:
            end = min(end, outer)
        return ProgramResult("" if end == float("inf") else f"{end!r}\n", "", 0)
    if name == "date":
        return _date(argv[1:], clock, zone, userland)
    return None


def deadline(env: Mapping[str, str]) -> float | None:
    """The moment at which the `timeout` around a run ends it."""
    return _moment(env.get("__DEADLINE", ""))


def _moment(text: str) -> float | None:
    """A point in time as this module writes it; a command may write anything there."""
    return float(text) if _MOMENT.fullmatch(text) else None


def _sleep(arguments: tuple[str, ...]) -> ProgramResult | None:
    spans = [seconds(a) for a in arguments]
    known = [s for s in spans if s is not None]
    return ProgramResult("", "", 0, sum(known)) if spans and len(known) == len(spans) else None


def _date(arguments: tuple[str, ...], clock: Clock, zone: str | None, userland: str) -> ProgramResult | Unknown | None:
    words = [a for a in arguments if a not in ("-u", "--utc", "--universal")]
    utc = len(words) < len(arguments)
    if len(words) > 1 or any(not w.startswith("+") for w in words):
        return None
    if _WIDE.search("".join(words)):  # as many blanks or zeros as it says
        return None
    if not clock.known:
        return Unknown("the session's time is not known")
    if zone is not None and not _ZONE.fullmatch(zone):
        return Unknown("the time zone is a file of the session's machine")
    form = words[0][1:] if words else None
    zoneless = form is not None and _ZONELESS.sub("", form) == ""
    if zone is None and not utc and not zoneless and userland != "gnu":
        return Unknown("the session's time zone is not known")
    if form is None and userland != "gnu":
        form = "%a %b %e %T %Z %Y"
    shown = subprocess.run(
        ["date", *(["-u"] if utc else []), "-d", f"@{clock.now:.9f}", *([] if form is None else ["+" + form])],
        env={"TZ": zone or "UTC", "LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ProgramResult(shown.stdout, "", shown.returncode)
