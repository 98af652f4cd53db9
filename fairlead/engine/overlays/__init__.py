"""Swarm networks on this host: overlays, their path MTU, and the node's end of the routing mesh."""
