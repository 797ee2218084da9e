"""Face sets: labelled images with attributes."""
