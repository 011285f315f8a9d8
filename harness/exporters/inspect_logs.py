"""A run as Inspect `.eval` logs, some hundred rollouts in each, so that memory stays flat. Needs the extra `inspect`.

A rollout is a sample: the prefix is its input, the turn its messages, each result a tool event with its rung, and what
judges and graders said are its scores. `inspect view` opens the logs; `deploysim import` reads them.
Format: UKGovernmentBEIS/inspect_ai `log/_log.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.exporters.files import file_name, new_file
from harness.exporters.rollouts import Exported, messages_of
from toolsim.trajectory import JsonObject, Message, ToolCall

if TYPE_CHECKING:
    from inspect_ai.event import ToolEvent
    from inspect_ai.log import EvalLog, EvalSample
    from inspect_ai.model import ChatMessage

PER_FILE = 200
Scores = Mapping[str, Mapping[str, JsonObject]]
"""By rollout and scorer: `value`, `explanation`, `metadata`."""


def write_inspect(rollouts: Iterator[Exported], scores: Scores, folder: Path, per_file: int = PER_FILE) -> list[Path]:
    """The logs that were written, each with at most `per_file` rollouts.

    Raises:
        HarnessError: the extra is missing, or a file is there already.
    """
    try:
        from inspect_ai.log import write_eval_log
    except ImportError as error:
        raise HarnessError("Inspect logs need an extra: pip install 'deploysim[inspect]'") from error
    written: list[Path] = []
    for number in itertools.count(1):
        part = list(itertools.islice(rollouts, per_file))
        if not part:
            return written
        path = new_file(folder, f"{file_name(part[0].row.run)}-{number:04d}.eval")
        write_eval_log(_log(part, scores), str(path))
        written.append(path)
    return written


def _log(part: list[Exported], scores: Scores) -> EvalLog:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalResults, EvalSpec

    first, config = part[0], part[0].manifest.get("config", {})
    samples = [_sample(one, scores.get(one.row.id, {})) for one in part]
    spec = EvalSpec(
        created=_now(), task=f"deploysim/{first.row.run}",
        dataset=EvalDataset(name="recorded sessions", samples=len(part)),
        model=str(config.get("candidate") or "unknown"), config=EvalConfig(), metadata={"deploysim": first.manifest},
        packages={"deploysim": version("deploysim")},
    )  # fmt: skip
    ended = sum(one.end is not None and one.end.status == "completed" for one in part)
    results = EvalResults(total_samples=len(part), completed_samples=ended)
    return EvalLog(version=2, status="success", eval=spec, results=results, samples=samples)


def _sample(one: Exported, scores: Mapping[str, JsonObject]) -> EvalSample:
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ModelOutput, ModelUsage
    from inspect_ai.scorer import Score

    messages = [_message(message) for message in messages_of(one)]
    config, spent = one.manifest.get("config", {}), one.spent
    model = str(config.get("candidate") or "unknown")
    last = next((m.text for m in reversed(one.turn) if m.role == "assistant"), "")
    usage = ModelUsage(
        input_tokens=spent.prompt_tokens, output_tokens=spent.completion_tokens,
        total_tokens=spent.prompt_tokens + spent.completion_tokens, input_tokens_cache_read=spent.cached_tokens,
    )  # fmt: skip
    sample = EvalSample(
        id=f"{one.row.session}:{one.row.turn}.{one.row.step}", epoch=one.row.sample + 1,
        input=messages[: len(one.before)] or "", target="", messages=messages,
        output=ModelOutput.from_content(model, last), metadata={"deploysim": one.provenance()},
        scores={name: Score(**said) for name, said in scores.items()} or None,
        model_usage={model: usage}, events=list(_events(one)),
    )  # fmt: skip
    if one.end is not None and one.end.status == "failed":
        from inspect_ai._util.error import EvalError

        why = f"{one.end.stage}: {one.end.reason}"
        sample.error = EvalError(message=why, traceback="", traceback_ansi="")
    return sample


def _events(one: Exported) -> Iterable[ToolEvent]:
    from inspect_ai.event import ToolEvent

    at = datetime.fromtimestamp(one.before[-1].at if one.before and one.before[-1].at else 0, UTC)
    for step, fact in zip(one.calls, one.provenance()["calls"], strict=True):
        yield ToolEvent(
            id=step.call.id, function=step.call.name, arguments=_arguments(step.call), result=step.shown.content,
            timestamp=at, completed=at, failed=step.shown.is_error or None, metadata={"deploysim": fact},
        )  # fmt: skip


def _message(message: Message) -> ChatMessage:
    from inspect_ai.model import (
        ChatMessageAssistant,
        ChatMessageSystem,
        ChatMessageTool,
        ChatMessageUser,
        ContentReasoning,
        ContentText,
    )
    from inspect_ai.tool import ToolCall as InspectCall

    if message.role == "assistant":
        content: Any = message.text
        if message.reasoning:
            content = [ContentReasoning(reasoning=message.reasoning), ContentText(text=message.text)]
        calls = [InspectCall(id=c.id, function=c.name, arguments=_arguments(c)) for c in message.calls]
        return ChatMessageAssistant(content=content, tool_calls=calls or None, model=message.model)
    if message.result is not None:
        return ChatMessageTool(content=message.result.content, tool_call_id=message.result.call_id)
    if message.role == "system":
        return ChatMessageSystem(content=message.text)
    return ChatMessageUser(content=message.text)


def _arguments(call: ToolCall) -> JsonObject:
    return {"input": call.raw} if call.raw is not None and not call.arguments else call.arguments


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
