"""What plays a planned run, from `Work` to `Outcome`: this process, or workers on a Ray cluster."""
