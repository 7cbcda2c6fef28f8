"""The experiment log in MongoDB: all that knows it."""
