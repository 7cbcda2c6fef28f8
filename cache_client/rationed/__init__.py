"""Rationed caching: one budget of bytes, whole tracks, a fleet of listeners; who gets the bytes?

`offers` are the held-out plays as they come up, `predictions` what the server's models say of each when it
does, `policies` what each policy finds them worth, `decisions` which of them get the bytes, one by one,
`figures` what that bought, and `comparison` all policies with the same budgets.
"""

from cache_client.rationed.comparison import BUDGETS, RationedReport, compare_policies
from cache_client.rationed.offers import Offers, read_offers

__all__ = ["BUDGETS", "Offers", "RationedReport", "compare_policies", "read_offers"]
