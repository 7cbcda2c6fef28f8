"""Who may call what: identities, and the methods that they may use. Knows neither gRPC nor MongoDB."""
