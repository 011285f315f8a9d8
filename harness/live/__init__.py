"""Agent products from outside in the place of the candidate: over MCP, or over an OpenAI-compatible endpoint."""
