"""The durable spool: predictions and outcomes on disk until MongoDB has them."""
