"""Models whose answers are kept in a file by what was asked (`toolsim.replycache`), whatever their role."""

from __future__ import annotations

from pathlib import Path

from toolsim.model import OpenAIModel
from toolsim.modeltypes import Model
from toolsim.replycache import CachedModel, ReplyCache


def keeping(model: Model | None, file: str | Path | None) -> Model | None:
    """The model with its answers kept in `file`; without a file, or a model, what was given."""
    if file is None or model is None:
        return model
    where = f"{model.endpoint.name} {model.api}" if isinstance(model, OpenAIModel) else "embedded chat"
    return CachedModel(model, where, ReplyCache(Path(file)))
