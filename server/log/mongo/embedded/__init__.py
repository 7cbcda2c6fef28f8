"""The embedded MongoDB: a database as a child process."""
