"""Made genres of three families, for models that know some listeners and no others."""

FAMILIES = ("rock", "jazz", "pop")
KNOWN = (("mood0 rock", "mood1 jazz"), ("mood2 pop",), ("mood3 rock", "mood4 rock", "mood5 pop"))
"""Favourite genres that `knowing_artifact` was trained on."""


def neighbourhood(family: str) -> list[str]:
    """Returns a hundred genres that share a word."""
    return [f"mood{number} {family}" for number in range(100)]
