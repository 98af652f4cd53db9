"""Decisions about containers: what a request means, when to restart, what `ps` shows."""
