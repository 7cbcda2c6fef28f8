"""Recorded plays as live traffic, and what they say about following the ranking."""
