"""Which model answers, what it said, and what really happened: the only place that knows MongoDB."""
