"""Forecasts: what a candidate will do how often, written down before the launch and scored after it."""
