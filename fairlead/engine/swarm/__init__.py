"""A node's part in a swarm: its membership, the managers' leading loop and dispatcher, the node's agent, users' verbs.

`membership` decides whether this daemon is in a swarm and in which role, and starts the others: every member runs
`agent` (it holds a session with the leading manager and runs tasks as ordinary containers); a manager also runs `seat`
(the store's mirror, the campaign for leadership, the listener for nodes), and while it leads `leader` (the loops of
`core.swarm` and the dispatcher). Users' verbs write to the store from any manager, conditional on the version that
they read; the loops see the change like everybody else.
"""
