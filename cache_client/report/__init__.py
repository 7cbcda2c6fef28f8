"""The report of a simulation as one HTML page that needs nothing but itself."""

from cache_client.report.report import n_steps, write_report

__all__ = ["n_steps", "write_report"]
