"""Service discovery: what the nodes of a swarm tell each other about their endpoints, and what this one makes of it.

The daemon is one node of `core.gossip` (`node`). For every swarm network on which it has an endpoint it is in that
network's group (`group`): it writes a row for each of its own endpoints there and hears those of the others. Both feed
one `core.discovery.view`, our own rows at once and not by way of the others, and what follows goes to those who act:
forwarding, names, balancing (`outlets`).
"""
