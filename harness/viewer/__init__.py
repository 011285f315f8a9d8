"""The web pages over a store: server-rendered, read-only but for labels."""
