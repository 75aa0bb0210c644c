"""Samples: labels on the image's grid, patches, splits of the ground, data sets for training."""
