"""Behaviours that nobody had a name for: what one model's turns have that another's on the same prefixes have not."""
