"""`docker network`: its verbs, the networks that every daemon has, and the swarm's beside them."""
