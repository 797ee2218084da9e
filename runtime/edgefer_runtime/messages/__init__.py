"""Faces as messages: one JSON form of them, and the ways they travel to other programs."""
