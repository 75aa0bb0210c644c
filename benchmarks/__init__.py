"""Benchmarks that anyone can repeat; dated results lie in ``results``."""
