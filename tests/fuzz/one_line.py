"""How bad input is refused."""


def check_refusal(error: Exception) -> None:
    """Raises AssertionError for an error that is more than a line, or says nothing."""
    lines = str(error).splitlines()
    assert len(lines) == 1, f"refused with {lines}"
