"""The gRPC service beside the REST API, over the same core."""
