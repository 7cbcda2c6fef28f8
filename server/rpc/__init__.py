"""The edge that speaks gRPC: the only place in the server that knows the contract's messages."""
