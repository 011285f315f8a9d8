"""ATIF documents (Agent Trajectory Interchange Format, v1.0 to v1.8): anyone's in, ours without loss.

Format: PyPI `atif` 1.8 and harbor's RFC 0001. There is no field for a tool's error, exit code, directory or commit;
conventions under `extra` are read where they are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.importers.atif_export import AGENTS, UNKNOWN_VERSION, is_own, to_atif
from harness.importers.atif_own import read_own
from harness.importers.base import Skipped
from harness.importers.blocks import ResultBlock, read_blocks, read_call
from harness.importers.chat_messages import read_tool_definitions
from harness.importers.draft import Draft, Stamp, typed_origin
from harness.importers.pairing import SkipCounts
from harness.importers.reading import read_document, read_records
from harness.importers.text_actions import text_calls, xml_calls
from harness.importers.values import as_int, as_list, as_object, as_text, first_text, member, unix_time
from toolsim.trajectory import JsonObject, Message, Repository, Session, Trajectory, content_hash

_ROOT = frozenset(
    {
        "schema_version", "session_id", "trajectory_id", "agent", "steps", "notes", "final_metrics",
        "continued_trajectory_ref", "subagent_trajectories", "extra",
    }
)  # fmt: skip
_STEP = frozenset(
    {
        "step_id", "timestamp", "source", "model_name", "reasoning_effort", "message", "reasoning_content",
        "tool_calls", "observation", "metrics", "is_copied_context", "llm_call_count", "extra",
    }
)  # fmt: skip
_CONTINUED = re.compile(r"\.(cont-\d+)\.")
_NAMES = {theirs: ours for ours, theirs in AGENTS.items()}


@dataclass(frozen=True, slots=True)
class Atif:
    """Importer of ATIF documents."""

    name: str = "atif"

    def sniff(self, path: Path, head: bytes) -> bool:  # noqa: ARG002  told by content
        """`schema_version` of ATIF."""
        return re.search(rb'"schema_version"\s*:\s*"ATIF-', head) is not None

    def read(self, path: Path) -> Iterator[Trajectory | Skipped]:
        """The document's trajectory and those of its embedded sub-agents; a list or lines of documents too."""
        document = read_document(path)
        if isinstance(document, Skipped):
            records = list(read_records(path))
            if not any(not isinstance(record, Skipped) and "steps" in record.value for record in records):
                yield document
                return
            for record in records:
                yield from [record] if isinstance(record, Skipped) else from_atif(record.value, path)
        elif isinstance(document, list):
            for value in document:
                yield from from_atif(value, path)
        else:
            yield from from_atif(document, path)


ATIF = Atif()


def from_atif(document: Any, path: Path) -> list[Trajectory | Skipped]:
    """The trajectories of one document (its own first, then those of embedded sub-agents) and what was left out.

    Inverse of `to_atif`: for documents that it wrote the one trajectory is the same again.
    """
    if not isinstance(document, dict):
        return [Skipped(str(path), "file", f"a JSON {type(document).__name__} instead of an ATIF document")]
    found: list[Trajectory | Skipped] = []
    if is_own(document):
        try:
            return [read_own(document)]
        except ValueError as error:
            found.append(Skipped(str(path), "extra.deploysim", f"not as exported, read as a foreign file: {error}"))
    skips = SkipCounts(path)
    found += _foreign(document, path, skips, None)
    if not any(isinstance(item, Trajectory) for item in found):
        skips.add("file", "no message in it")
    return [*found, *skips]


def _foreign(document: JsonObject, path: Path, skips: SkipCounts, parent: _Parent | None) -> list[Trajectory]:
    place = "" if parent is None else f"{parent.place}."
    for key in sorted(set(document) - _ROOT):
        skips.add(f"{place}{key}", f"unknown part {key!r}")
    reader = _Reader(Draft(path.name, skips), place)
    for number, step in enumerate(as_list(document.get("steps"))):
        if isinstance(step, dict):
            reader.step(step, f"{place}steps[{number}]")
        else:
            skips.add(f"{place}steps[{number}]", f"a JSON {type(step).__name__} instead of a step")
    session = _session(document, path, reader, parent)
    items = tuple(reader.draft.items)
    if parent is not None:
        items = tuple(
            replace(i, origin="harness") if isinstance(i, Message) and i.origin == "user" else i for i in items
        )
    metrics = document.get("final_metrics")
    found = [Trajectory(session, items, {"final_metrics": metrics} if metrics is not None else {})] if items else []
    for number, inner in enumerate(as_list(document.get("subagent_trajectories"))):
        where = f"{place}subagent_trajectories[{number}]"
        if isinstance(inner, dict):
            call = reader.delegated.get(as_text(inner.get("trajectory_id")) or "")
            found += _foreign(inner, path, skips, _Parent(session, call, where))
        else:
            skips.add(where, f"a JSON {type(inner).__name__} instead of a trajectory")
    return found


@dataclass(frozen=True, slots=True)
class _Parent:
    """What started an embedded sub-agent, and where that stands in the file."""

    session: Session
    call: str | None
    place: str


@dataclass(slots=True)
class _Reader:
    """The steps of one document; `delegated` are the calls that started sub-agents, by trajectory id."""

    draft: Draft
    place: str
    delegated: dict[str, str] = field(default_factory=dict)

    def step(self, step: JsonObject, where: str) -> None:
        stamp = Stamp(where, unix_time(step.get("timestamp")), as_text(step.get("model_name")))
        for key in sorted(set(step) - _STEP):
            self.draft.skip(stamp, f"unknown part {key!r} of a step")
        blocks = read_blocks(step.get("message"))
        extra = _extra(step, blocks.images)
        results = [as_object(result) for result in as_list(member(step, "observation", "results"))]
        source = step.get("source")
        if source == "agent":
            self._agent(step, blocks.text, results, stamp, extra)
            return
        if blocks.text or blocks.images or not results:
            plain = Stamp(where, stamp.at)
            if source == "user":
                self.draft.say("user", blocks.text, typed_origin(blocks.text), plain, extra)
            elif source == "system":
                self.draft.say("system", blocks.text, "harness", plain, extra)
            else:
                self.draft.skip(stamp, f"unknown source {source!r}")
        self._results(results, step, stamp)

    def _agent(self, step: JsonObject, text: str, results: list[JsonObject], stamp: Stamp, extra: JsonObject) -> None:
        calls = [read_call(call) for call in as_list(step.get("tool_calls")) if isinstance(call, dict)]
        shown = [result for result in results if result.get("content") is not None]
        written = () if calls else text_calls(text) if shown else xml_calls(text)
        reasoning = as_text(step.get("reasoning_content"))
        self.draft.respond(text, reasoning, calls or written, stamp, extra=extra)
        if written and shown:
            self._text_result(shown, stamp)
        else:
            self._results(results, step, stamp)

    def _text_result(self, results: list[JsonObject], stamp: Stamp) -> None:
        """What a text protocol answered: one text for all calls of the response, as a message of the user's role."""
        contents = [read_blocks(result.get("content")) for result in results]
        text = "\n".join(content.text for content in contents)
        images = sum(content.images for content in contents)
        self.draft.answer(ResultBlock(text, images=images), Stamp(stamp.where), {"role": "user"})

    def _results(self, results: list[JsonObject], step: JsonObject, stamp: Stamp) -> None:
        has_calls = bool(as_list(step.get("tool_calls")))
        for result in results:
            recorded_id = as_text(result.get("source_call_id"))
            self._note_delegation(result, recorded_id)
            content = result.get("content")
            if content is None:
                continue
            blocks = read_blocks(content)
            plain = Stamp(stamp.where)
            if recorded_id is None and not (has_calls and self.draft.open_calls()):
                self.draft.say("user", blocks.text, "harness", plain, {"observation": True})
                continue
            extra = as_object(result.get("extra"))
            stated = {**(as_object(step.get("extra")) if len(results) == 1 else {}), **extra}
            block = ResultBlock(
                blocks.text, recorded_id, None, blocks.images, _stated_error(stated), _stated_code(stated), None,
                extra or None,
            )  # fmt: skip
            self.draft.answer(block, plain)

    def _note_delegation(self, result: JsonObject, recorded_id: str | None) -> None:
        refs = as_list(result.get("subagent_trajectory_ref"))
        made = self.draft.last_call(recorded_id) if refs else None
        for ref in refs:
            named = first_text(member(ref, "trajectory_id"), member(ref, "session_id"))
            if named is not None and made is not None:
                self.delegated[named] = made


def _session(document: JsonObject, path: Path, reader: _Reader, parent: _Parent | None) -> Session:
    agent, draft = as_object(document.get("agent")), reader.draft
    recorded = as_text(document.get("session_id"))
    named = as_text(document.get("trajectory_id"))
    own = named or f"{recorded or 'atif'}-{content_hash(document)[:12]}"
    continued = _CONTINUED.search(path.name) if parent is None else None
    if continued is not None and not own.endswith(continued[1]):
        own = f"{own}/{continued[1]}"
    extras = [as_object(document.get("extra")), as_object(agent.get("extra"))]
    cwd = first_text(*(e.get("cwd") for e in extras), *(next(iter(as_list(e.get("cwds"))), None) for e in extras))
    branch = first_text(
        *(e.get("git_branch") for e in extras), *(next(iter(as_list(e.get("git_branches"))), None) for e in extras)
    )
    version = as_text(agent.get("version"))
    name = as_text(agent.get("name")) or "generic"
    users = [m for m in draft.messages() if m.origin == "user" and "copied" not in m.extra]
    metadata: JsonObject = {
        "schema_version": as_text(document.get("schema_version")),
        "session_id": recorded,
        "notes": as_text(document.get("notes")),
        "continued_in": as_text(document.get("continued_trajectory_ref")),
        "agent": agent.get("extra"),
        "extra": document.get("extra"),
    }
    return Session(
        id=own if parent is None else f"{parent.session.id}/{own}",
        agent=_NAMES.get(name, name),
        format="atif",
        lineage=parent.session.lineage if parent is not None else recorded or own,
        agent_version=None if version == UNKNOWN_VERSION else version,
        model=as_text(agent.get("model_name")) or draft.model(),
        cwd=cwd,
        repository=Repository(branch=branch),
        platform=draft.platform(cwd),
        tools=read_tool_definitions(agent.get("tool_definitions")),
        started_at=draft.started_at(),
        parent=None if parent is None else parent.session.id,
        parent_call=None if parent is None else parent.call,
        autonomous=parent is not None or len(users) <= 1,
        metadata={key: value for key, value in metadata.items() if value is not None},
    )


def _extra(step: JsonObject, images: int) -> JsonObject:
    """What a step says beside its conversation."""
    found: JsonObject = {"images": images} if images else {}
    if step.get("is_copied_context") is True:
        found["copied"] = True
    for key in ("metrics", "reasoning_effort", "llm_call_count", "extra"):
        if step.get(key) is not None:
            found[key] = step[key]
    return found


def _stated_error(extra: JsonObject) -> bool | None:
    keys = ("tool_result_is_error", "is_error", "isError")
    return next((bool(extra[key]) for key in keys if isinstance(extra.get(key), bool)), None)


def _stated_code(extra: JsonObject) -> int | None:
    return next((code for key in ("exit_code", "returncode") if (code := as_int(extra.get(key))) is not None), None)


__all__ = ["ATIF", "Atif", "from_atif", "to_atif"]
