"""The one process of a machine that moves its spool into MongoDB."""
