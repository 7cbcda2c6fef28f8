"""The async gRPC server: predictions, rankings, and an experiment log that loses nothing."""
