"""Which model answers whom: what an experiment is, and how it assigns arms. No storage."""
