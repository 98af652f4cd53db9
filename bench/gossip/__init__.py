"""Measurements of the gossip control plane: against real `serf` agents, and of the machine alone."""
