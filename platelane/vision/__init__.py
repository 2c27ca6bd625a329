"""Pictures: geometry, decoding, crops, what the models take, and the client of the server that runs them."""
