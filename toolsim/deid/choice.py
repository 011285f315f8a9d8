"""Whether a model's requests are de-identified, and by which maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from toolsim.deid.mapfile import MapFile
from toolsim.deid.shield import Shield

Mode: TypeAlias = Literal["auto", "on", "off"]
"""`auto`: everything that goes to an endpoint, nothing that goes to embedded weights."""


@dataclass(frozen=True, slots=True)
class Deidentify:
    """The choice and the maps. An endpoint on this machine is one too: what stands behind it is not known."""

    mode: Mode = "auto"
    shield: Shield = field(default_factory=Shield)

    def shield_of(self, *, embedded: bool) -> Shield | None:
        """What scrubs the requests of a model; `None`: nothing does."""
        return self.shield if self.mode == "on" or (self.mode == "auto" and not embedded) else None


def map_path(store: Path) -> Path:
    """The maps of a store: a file beside it, which is not needed to read the store."""
    return store.with_name(f"{store.name}.map")


def beside(store: Path, mode: Mode) -> Deidentify:
    """The choice with the maps of a store."""
    return Deidentify(mode, Shield(MapFile(map_path(store))))
