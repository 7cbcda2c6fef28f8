"""What `benchmarks/cache.py` promises, and how it is shown."""
