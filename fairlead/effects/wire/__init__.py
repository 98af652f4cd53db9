"""Shells that move bytes between sockets and state machines; sockets may live in any namespace."""
