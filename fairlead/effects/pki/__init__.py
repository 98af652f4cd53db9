"""The swarm's certificates, the place where a node keeps its own, and what is sealed.

`authority` makes and reads certificates (X.509, ECDSA over P-256), `subject` is what they say of a node. `keystore`
holds a node's identity on disk, `sealed` encrypts its keys where the swarm is autolocked, `sealed_store` the objects in
the managers' store.
"""
