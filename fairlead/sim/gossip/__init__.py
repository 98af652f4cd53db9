"""Gossip on virtual time: `world` moves packets between nodes, `workload` makes trouble, `measure` looks on."""
