"""Containers: every verb of a user on them, and what happens to them by itself."""
