"""Version 1 of the contract: messages in `prediction_service_pb2`, stubs in `prediction_service_pb2_grpc`."""
