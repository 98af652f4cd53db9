"""Decisions about volumes: what may be created, which are listed and pruned."""
