"""Accuracy: confusion matrices and what follows from them, design-based estimates, audits of mines."""
