"""Which bytes to fetch before they are needed."""
