"""What a trained network bases its answers on: heat maps of faces, and maps of its features."""
