"""A run as a page, its charts, and its table."""
