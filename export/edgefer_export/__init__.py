"""Takes a trained network to checked ONNX and to engines."""
