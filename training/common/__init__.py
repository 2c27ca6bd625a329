"""What all training programs share: the loop, export, ONNX sessions, what a camera does to a picture."""
