"""The client of the prediction server."""
