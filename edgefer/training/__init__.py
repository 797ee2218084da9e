"""Training, checkpoints and prediction of the float networks."""
