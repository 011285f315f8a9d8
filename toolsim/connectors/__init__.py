"""Read-only sources that answer as of a moment; the contract is enforced by `toolsim.connectors.gate`."""

from toolsim.connectors.base import Connector, Fetched, Query, Sourced
from toolsim.connectors.gate import Gate

__all__ = ["Connector", "Fetched", "Gate", "Query", "Sourced"]
