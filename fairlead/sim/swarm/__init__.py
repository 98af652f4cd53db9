"""A swarm on virtual time: the managers' own loops (`core.swarm`), simulated nodes, a store, a network with delays.

`world.World` is the whole; `run` measures it; the property tests drive it through random histories.
"""
