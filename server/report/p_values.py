"""How p values are written, those too that are too small for a floating-point number."""

import math

NONE = "-"
"""Stands for a figure that there is not."""


def p_value(value: float | None) -> str:
    """Returns a p value, or a dash for none."""
    if value is None:
        return NONE
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def p_equation(value: float | None) -> str:
    """Returns "p = …" with four decimals, or that it is less than can be written so."""
    told = p_value(value)
    return f"p {told}" if told.startswith("<") else f"p = {told}"


def equation(log_p_value: float) -> str:
    """Returns "p = …" with one digit, from the natural logarithm."""
    exponent = math.floor(log_p_value / math.log(10))
    if exponent >= -300:
        return f"p = {math.exp(log_p_value):.1g}"
    return f"p < 1e{exponent + 1}"
