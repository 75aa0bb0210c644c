"""The networks of the paper, and model files."""
