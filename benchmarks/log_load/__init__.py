"""What `benchmarks.experiment` runs."""
