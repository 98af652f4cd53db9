"""Whole clusters in one process on virtual time: the same state machines and loops that run in production."""
