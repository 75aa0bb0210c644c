"""A study: its project file, its scenes, its results."""
