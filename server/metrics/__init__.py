"""What Prometheus sees: carried over from plain counts, from the spool and from each worker."""
