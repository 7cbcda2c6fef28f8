"""Recorded plays as live traffic, and how rankings within a session compare."""
