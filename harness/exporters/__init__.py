"""Rollouts for other programs: ATIF documents, Inspect logs, Parquet tables."""
