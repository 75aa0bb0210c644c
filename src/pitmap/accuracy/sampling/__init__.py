"""Accuracy and areas estimated from a probability sample of points."""
