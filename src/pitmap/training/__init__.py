"""Training: from samples to the best epoch's model."""
