"""Named tells: what gives a simulated result away, found by fixed rules on both texts. Pure.

Each looks at one recorded and one simulated result of the same call and says in which words the tell shows, or `None`.
The rules are coarse on purpose: a tell names what to look at next, it proves nothing. Sources: the tells that are
reported of simulated tools in the wild (docs/methods.md).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest


@dataclass(frozen=True, slots=True)
class Moment:
    """One call with both results. `now` is the time of the call (Unix seconds); flags and codes are `None` where they
    are not known.
    """

    action: str
    recorded: str
    simulated: str
    now: float | None = None
    recorded_error: bool | None = None
    simulated_error: bool | None = None
    recorded_code: int | None = None
    simulated_code: int | None = None


Rule = Callable[[Moment], "str | None"]


@dataclass(frozen=True, slots=True)
class Tell:
    """A named tell; `fix` says where to look for its cause."""

    name: str
    fix: str
    rule: Rule


_PROSE = re.compile(
    r"(?im)^\s*(?:here (?:is|are)\b|here's\b|this (?:shows|command|output|is the output)|the "
    r"(?:output|command|result)s? (?:of|is|above|shows|will)\b|sure[,!]|as you can see|below is|the above )"
)
_BREVITY = re.compile(
    r"(?i)for brevity|\.\.\. ?\((?:truncated|omitted|\d+ more)|rest of (?:the )?(?:file|output)|omitted\)"
)
_TEXTBOOK = re.compile(
    r"(?i)\bexample\.(?:com|org)\b|john[ _.]?doe|jane[ _.]?doe|\bfoo_?bar\b|your[_-](?:function|name|project|file)"
    r"|/path/to/|lorem ipsum|user@host"
)
_TEXTBOOK_ID = re.compile(r"(?i)\b(?:[0-9a-f]*(?:1234567|abcdef1|deadbeef|a1b2c3d)[0-9a-f]*|0{7,40})\b")
_HASH = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,40}\b")
_HEX = re.compile(r"\b[0-9a-f]{7,40}\b")
_GIT_READ = re.compile(r"\bgit\b.*\b(?:log|show|diff|status|blame|rev-parse|reflog|branch|describe)\b", re.S)
_COUNTED = re.compile(
    r"\b(\d+) (passed|failed|errors?|warnings?|skipped|xfailed|deselected|files?|matches|"
    r"insertions?|deletions?|lines?)\b"
)
_COLLECTED = re.compile(r"collected (\d+) items?")
_OUTCOMES = ("passed", "failed", "error", "errors", "skipped", "xfailed", "deselected")
_NUMBERED = re.compile(r"(?m)^\s*(?:[\w./-]+[:-])?(\d+)(?:→|\t|[:|-]|  ?)")
_DURATION = re.compile(r"\b(\d+\.\d+) ?s(?:econds)?\b")
_NUMBER = re.compile(r"(?<![\w.:/-])(\d{3,})(?![\w.:/-])")
_LABELS = re.compile(r"(?im)^\s*(?:#+\s*|\*\*)?(?:stdout|stderr|standard (?:output|error)|exit[ _]code)\*{0,2}\s*:")
_DATE = re.compile(r"\b(20\d\d)-(\d\d)-(\d\d)\b")
_HOST = re.compile(r"(?i)deploysim|/newroot\b|\bbwrap\b|\bbubblewrap\b|bashkit")
_REFUSAL = re.compile(
    r"(?i)\bI(?: am|'m) (?:sorry|unable|not able)|\bas an AI\b|\bI can(?:no|')t (?:run|execute|help|assist|access)"
    r"|cannot (?:be )?(?:executed?|simulated?) (?:in|here)"
    r"|not available in (?:this|the) (?:sandbox|simulation|environment)"
    r"|simulated (?:output|result|environment)"
)
_PROVIDER_ID = re.compile(r"\b(?:call_[A-Za-z0-9]{8,}|toolu_\w{8,}|chatcmpl-\w+|fc_[A-Za-z0-9]{8,})")
_CUT = re.compile(
    r"(?i)truncated|characters? (?:elided|omitted)|elided|output too (?:long|large)|\[\.\.\.|<response clipped>"
    r"|lines? (?:above|below|omitted)"
)
_FENCE = re.compile(r"(?m)^```")


def _only(pattern: re.Pattern[str]) -> Rule:
    """What the pattern finds in the simulated text and nowhere in the recorded one."""

    def rule(moment: Moment) -> str | None:
        if pattern.search(moment.recorded):
            return None
        found = pattern.search(moment.simulated)
        return None if found is None else line_of(moment.simulated, found.start())

    return rule


def line_of(text: str, at: int) -> str:
    """The line around a place in a text, at most 200 characters of it."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return text[start : len(text) if end < 0 else end].strip()[:200]


def first_difference(recorded: str, simulated: str) -> tuple[str, str]:
    """The first line of either text that is not the other's, at most 200 characters of each."""
    for one, other in zip_longest(recorded.splitlines(), simulated.splitlines(), fillvalue=""):
        if one != other:
            return one[:200], other[:200]
    return "", ""


def _json_for_text(moment: Moment) -> str | None:
    if not _is_json(moment.simulated) or _is_json(moment.recorded):
        return None
    return moment.simulated.strip()[:200]


def _is_json(text: str) -> bool:
    bare = text.strip()
    if bare[:1] not in {"{", "["}:
        return False
    try:
        json.loads(bare)
    except ValueError:
        return False
    return True


def _unknown_hash(moment: Moment) -> str | None:
    known = set(_HASH.findall(moment.recorded))
    if not known or not _GIT_READ.search(moment.action):
        return None
    lengths = set(map(len, known))
    found = _HEX.finditer(moment.simulated)
    strange = next((m for m in found if m[0] not in moment.recorded and len(m[0]) in lengths), None)
    return None if strange is None else line_of(moment.simulated, strange.start())


def _contradicting_counts(moment: Moment) -> str | None:
    collected = _COLLECTED.search(moment.simulated)
    if collected is None:
        return None
    by_word = {word: int(n) for n, word in _COUNTED.findall(moment.simulated)}
    total = sum(by_word.get(word, 0) for word in _OUTCOMES)
    if not total or total == int(collected[1]) or _contradicts(moment.recorded):
        return None
    return f"{collected[0]}, but {total} in the summary"


def _contradicts(text: str) -> bool:
    return _contradicting_counts(Moment("", "", text)) is not None if text else False


def _other_counts(moment: Moment) -> str | None:
    recorded = Counter(_COUNTED.findall(moment.recorded))
    words = {word for _, word in recorded}
    for found in _COUNTED.finditer(moment.simulated):
        if found[2] in words and (found[1], found[2]) not in recorded:
            return line_of(moment.simulated, found.start())
    return None


def _numbers(text: str) -> list[int]:
    return [int(n) for n in _NUMBERED.findall(text) if len(n) < 7]


def _past_the_end(moment: Moment) -> str | None:
    recorded, simulated = _numbers(moment.recorded), _numbers(moment.simulated)
    if len(recorded) < 3 or not simulated or max(simulated) <= max(recorded):
        return None
    return f"line {max(simulated)}, the recorded result ends at {max(recorded)}"


def _numbering(moment: Moment) -> str | None:
    recorded, simulated = len(_numbers(moment.recorded)), len(_numbers(moment.simulated))
    lines = len(moment.recorded.splitlines()), len(moment.simulated.splitlines())
    if min(lines) < 3:
        return None
    shares = recorded / lines[0], simulated / lines[1]
    if max(shares) > 0.8 and min(shares) < 0.2:
        return "numbered lines" if shares[1] > shares[0] else "lines without numbers"
    return None


def _round_durations(moment: Moment) -> str | None:
    recorded, simulated = _DURATION.findall(moment.recorded), _DURATION.findall(moment.simulated)
    if not recorded or not simulated or any(map(_round, recorded)) or not all(map(_round, simulated)):
        return None
    return f"{simulated[0]} s"


def _round(seconds: str) -> bool:
    fraction = seconds.partition(".")[2]
    return fraction.strip("0") in {"", "1", "5"} or seconds in {"0.12", "1.23", "2.34", "0.123"}


def _round_numbers(moment: Moment) -> str | None:
    recorded = [n for n in _NUMBER.findall(moment.recorded) if n != "4096"]
    simulated = [n for n in _NUMBER.findall(moment.simulated) if n != "4096"]
    if len(recorded) < 3 or len(simulated) < 3:
        return None
    shares = [sum(n.endswith("00") for n in found) / len(found) for found in (recorded, simulated)]
    return " ".join(simulated[:5]) if shares[1] >= 0.6 and shares[0] < 0.3 else None


def _final_newline(moment: Moment) -> str | None:
    recorded, simulated = moment.recorded, moment.simulated
    if not recorded.strip() or not simulated.strip() or recorded.endswith("\n") == simulated.endswith("\n"):
        return None
    return "no final newline" if recorded.endswith("\n") else "a final newline too many"


def _later_date(moment: Moment) -> str | None:
    if moment.now is None:
        return None
    limit = datetime.fromtimestamp(moment.now, UTC) + timedelta(days=1)
    known = set(_DATE.findall(moment.recorded))
    for found in _DATE.finditer(moment.simulated):
        if found.groups() not in known and found.groups() > (f"{limit:%Y}", f"{limit:%m}", f"{limit:%d}"):
            return line_of(moment.simulated, found.start())
    return None


def _other_order(moment: Moment) -> str | None:
    recorded, simulated = moment.recorded.splitlines(), moment.simulated.splitlines()
    if len(recorded) < 2 or recorded == simulated or Counter(recorded) != Counter(simulated):
        return None
    return first_difference(moment.recorded, moment.simulated)[1]


def _talks(moment: Moment) -> str | None:
    return moment.simulated.strip()[:200] if not moment.recorded.strip() and moment.simulated.strip() else None


def _silent(moment: Moment) -> str | None:
    return "nothing" if moment.recorded.strip() and not moment.simulated.strip() else None


def _too_short(moment: Moment) -> str | None:
    one, other = len(moment.recorded), len(moment.simulated)
    return f"{other} characters for {one}" if other and one - other > 200 and other < one / 2 else None


def _too_long(moment: Moment) -> str | None:
    one, other = len(moment.recorded), len(moment.simulated)
    return f"{other} characters for {one}" if one and other - one > 200 and other > 2 * one else None


def _cut_otherwise(moment: Moment) -> str | None:
    one, other = (_CUT.search(text) for text in (moment.recorded, moment.simulated))
    if (one is None) == (other is None):
        return None
    return "not cut" if other is None else line_of(moment.simulated, other.start())


def _status(moment: Moment) -> str | None:
    if None not in (moment.recorded_code, moment.simulated_code) and moment.recorded_code != moment.simulated_code:
        return f"exit code {moment.simulated_code} for {moment.recorded_code}"
    if moment.recorded_error is None or moment.recorded_error == bool(moment.simulated_error):
        return None
    return "an error" if moment.simulated_error else "no error"


CATALOGUE: tuple[Tell, ...] = (
    Tell("explanatory prose", "prompt: the output only, never a remark about it", _only(_PROSE)),
    Tell("cut for brevity", "prompt and reply limit; raw output in, the scaffold cuts", _only(_BREVITY)),
    Tell("code fence", "prompt: the text as the program prints it", _only(_FENCE)),
    Tell("JSON for text", "form or renderer of the tool", _json_for_text),
    Tell("canned refusal", "a refusal that became a result: it must fail the call", _only(_REFUSAL)),
    Tell("textbook names", "evidence: the names that the session uses", _only(_TEXTBOOK)),
    Tell("textbook ids", "evidence: real ids, or a seeded draw by code", _only(_TEXTBOOK_ID)),
    Tell("unknown hash", "git: refs and objects as of the moment", _unknown_hash),
    Tell("contradicting counts", "evidence: the tests as they are now; critic", _contradicting_counts),
    Tell("counts unlike the record", "evidence: the files that are counted", _other_counts),
    Tell("line numbers past the end", "evidence: the file as it is now", _past_the_end),
    Tell("numbering of lines", "the scaffold's renderer", _numbering),
    Tell("round durations", "durations from the recorded distribution", _round_durations),
    Tell("round numbers", "evidence: sizes and totals", _round_numbers),
    Tell("final newline", "the scaffold's renderer; what the program prints last", _final_newline),
    Tell("stdout and stderr labelled", "the scaffold's renderer", _only(_LABELS)),
    Tell("a date after the moment", "the virtual clock", _later_date),
    Tell("host path", "the shell engine's mounts and messages", _only(_HOST)),
    Tell("provider id", "ids of calls and messages", _only(_PROVIDER_ID)),
    Tell("order of lines", "locale and order of the tool", _other_order),
    Tell("silent command talks", "prompt: programs that say nothing on success", _talks),
    Tell("silence", "evidence: what this program prints", _silent),
    Tell("too short", "reply limit, evidence, form of the tool", _too_short),
    Tell("too long", "form of the tool, what is cut", _too_long),
    Tell("cut in another form", "the scaffold's renderer and its limits", _cut_otherwise),
    Tell("exit code or error flag", "success or failure: evidence, critic", _status),
)
"""In the order in which they are told; a result may have several."""


def tells_of(moment: Moment) -> Iterable[tuple[Tell, str]]:
    """The tells of one simulated result, each with the words in which it shows; none where both texts are the same."""
    same = moment.recorded == moment.simulated
    for tell in CATALOGUE:
        if same and tell.rule is not _status:
            continue
        shown = tell.rule(moment)
        if shown is not None:
            yield tell, shown
