"""The experiment log: a durable spool, its delivery, and MongoDB."""
