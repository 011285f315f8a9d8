"""What is replaced in the sessions of a store: the scan that fills the maps, and counts that show no value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.scanners import Scanner
from harness.store import Store
from toolsim.deid.found import Found
from toolsim.deid.shield import Shield
from toolsim.trajectory import Compaction, Message, Trajectory, canonical_json, effects


@dataclass(frozen=True, slots=True)
class SessionReport:
    """One session: values by kind, how often they are replaced, which share of the characters that is.

    `restores` says that every text comes back as it was. `new` values were not in the map before.
    """

    session: str
    values: dict[str, int]
    replaced: dict[str, int]
    characters: int
    share: float
    new: int
    restores: bool


@dataclass(frozen=True, slots=True)
class Report:
    """All sessions of a scan, and their sums."""

    scanners: tuple[str, ...]
    sessions: tuple[SessionReport, ...] = ()
    values: dict[str, int] = field(default_factory=dict)
    replaced: dict[str, int] = field(default_factory=dict)
    share: float = 0.0
    restores: bool = True


def scan(store: Store, sessions: Iterable[str], shield: Shield, scanners: Sequence[Scanner]) -> Iterator[SessionReport]:
    """Look through sessions with the built-in detectors and each scanner, and keep what is found in their maps.

    Raises:
        MapError: the maps cannot be kept.
    """
    for name in sessions:
        trajectory = store.trajectory(name)
        yield _scan(trajectory, name, shield, scanners)


def report(found: Iterable[SessionReport], scanners: Sequence[Scanner]) -> Report:
    """The sums over all sessions."""
    rows = tuple(found)
    values: Counter[str] = Counter()
    replaced: Counter[str] = Counter()
    for row in rows:
        values.update(row.values)
        replaced.update(row.replaced)
    characters = sum(row.characters for row in rows)
    hidden = sum(row.share * row.characters for row in rows)
    return Report(
        ("built-in", *(scanner.name for scanner in scanners)), rows, dict(values), dict(replaced),
        hidden / characters if characters else 0.0, all(row.restores for row in rows),
    )  # fmt: skip


def _scan(trajectory: Trajectory, name: str, shield: Shield, scanners: Sequence[Scanner]) -> SessionReport:
    texts = list(dict.fromkeys(session_texts(trajectory)))
    said = list(dict.fromkeys(m.text for m in effects(trajectory.items) if m.role in ("user", "assistant")))
    found: list[Found] = []
    for scanner in scanners:
        found += scanner.find(said if scanner.prose else texts)
    # a candidate's requests go by the recorded id, those of judges and graders by the store's
    new = 0
    for key in dict.fromkeys((name, trajectory.session.id)):
        new += len(shield.learn(key, texts, found))
    mapped = shield.map_of(name)
    replaced: Counter[str] = Counter()
    hidden, restores = 0, True
    for text in texts:
        scrubbed, used = mapped.scrubbed(text)
        replaced.update(entry.kind for entry in used)
        hidden += sum(len(entry.value) for entry in used)
        restores = restores and mapped.restore(scrubbed) == text
    characters = sum(map(len, texts))
    values = Counter(entry.kind for entry in mapped.entries if any(entry.value in text for text in texts))
    share = hidden / characters if characters else 0.0
    return SessionReport(name, dict(values), dict(replaced), characters, share, new, restores)


def session_texts(trajectory: Trajectory) -> Iterator[str]:
    """Every text of a session that a request may hold."""
    session = trajectory.session
    yield session.system_prompt or ""
    yield session.cwd or ""
    for tool in session.tools:
        yield tool.description
    for item in trajectory.items:
        for message in (
            (item,) if isinstance(item, Message) else item.replacement if isinstance(item, Compaction) else ()
        ):
            yield message.text
            yield message.reasoning or ""
            for call in message.calls:
                yield canonical_json(call.arguments)
                yield call.raw or ""
            if message.result is not None:
                yield message.result.content
