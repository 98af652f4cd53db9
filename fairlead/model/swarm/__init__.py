"""The nouns of a swarm: cluster, nodes, services, tasks, networks, secrets, configs.

Every object has `id` (25 characters), `version` (the store's revision of its last write; 0 before the first) and
`created`, `updated`. All times are nanoseconds since the epoch, all durations nanoseconds. What a user asked for lies
in a `spec` that the swarm itself never changes; what is observed or decided lies beside it. An `error` of an object
is a sentence for its user: why the swarm could not do (yet) what the spec asks.
"""
