"""Accuracy of a map against labels of whole areas."""
