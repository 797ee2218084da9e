"""What is known about each model of the zoo: one file a model, and no torch."""
