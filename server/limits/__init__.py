"""How much a caller may ask for: no method and no caller starves another. Knows neither gRPC nor MongoDB."""
