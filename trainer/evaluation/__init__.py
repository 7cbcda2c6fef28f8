"""How good probabilities are: metrics, what chance makes of them, and what they are compared with."""
