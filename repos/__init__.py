"""Repositories as they were: plain values in, plain values out; nothing here knows sessions or tools."""
