"""Fuzzing what reads files and traffic of others; see `tests.fuzz.targets` and ``python -m tests.fuzz --help``."""
