"""Benchmarks: everything is measured beside its rival, in one run, and reported as a ratio."""
