"""Do recorded verdicts of a model judge still stand? They do if the judge would be asked exactly the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from harness.discriminator.judge import ORDERS, judge_request
from harness.discriminator.pairs import Pair
from harness.discriminator.serialise import Window
from harness.errors import ConfigError
from toolsim.modeltypes import ModelRequest
from toolsim.trajectory import JsonObject, content_hash


def judge_facts(name: str, pairs: Sequence[Pair], window: Window, seed: int) -> JsonObject:
    """What a baseline keeps of a judge: its model, the prompt's hash, and a hash of all that it would be asked."""
    requests = [judge_request(pair, sides, window=window, seed=seed) for pair in pairs for sides in ORDERS]
    prompts = sorted({request.prompt_hash for request in requests})
    return {
        "model": name,
        "prompt": prompts[0] if prompts else None,
        "requests": content_hash(sorted(map(_asked, requests))),
    }


def word_of(old: JsonObject, new: JsonObject) -> str:
    """`unchanged`, or `to be re-recorded` with the reason."""
    if old == new:
        return "unchanged: the recorded verdicts stand"
    reasons = [
        text
        for name, text in (
            ("model", f"the judge is {new['model']} instead of {old.get('model')}"),
            ("prompt", "the judge's prompt changed"),
            ("requests", "what the judge is shown changed"),
        )
        if old.get(name) != new[name]
    ]
    return "to be re-recorded: " + "; ".join(reasons[:2])


def in_cassette(text: str, requests: Iterable[ModelRequest]) -> tuple[int, int]:
    """How many of the requests a vcrpy cassette holds an answer for, by the messages of their bodies; and of how many.

    Raises:
        ConfigError: the text is no cassette.
    """
    try:
        loaded: Any = yaml.safe_load(text)
        bodies = [entry["request"]["body"] for entry in loaded["interactions"]]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigError(f"the cassette cannot be read: {str(error).splitlines()[0]}") from error
    known = {content_hash(read["messages"]) for read in map(_read, bodies) if "messages" in read}
    asked = [_asked(request) for request in requests]
    return sum(name in known for name in asked), len(asked)


def _asked(request: ModelRequest) -> str:
    return content_hash(list(request.messages))


def _read(body: object) -> JsonObject:
    try:
        value = yaml.safe_load(body) if isinstance(body, str | bytes) else body
    except yaml.YAMLError:
        return {}
    return value if isinstance(value, dict) else {}
