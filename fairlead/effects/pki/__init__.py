"""The swarm's certificates and the place where a node keeps its own.

`authority` makes and reads certificates (X.509, ECDSA over P-256), `keystore` holds a node's identity on disk, `sealed`
encrypts its keys where the swarm is autolocked, `subject` is what a certificate says of its node.
"""
