"""What all training programs share: the loop, export, ONNX sessions, camera effects."""
