"""The managers' decisions: what a swarm does so that what is becomes what is wished.

A handful of loops that know nothing of each other and meet only in the store. Each is a pure function of a
`snapshot.Snapshot` and of the keys of what changed; it answers with `changes.Changes`: objects to write and to drop,
and moments at which to look again. `control.Control` runs them until none has anything to say; the leading manager
commits what they say, and the simulator does the same on virtual time.

A task's life is passed from loop to loop by its state alone: `orchestrate_replicated`, `orchestrate_global` and `jobs`
make it (NEW), `allocator` gives it addresses (PENDING), `scheduler` a node (ASSIGNED), `dispatch` hands it to the
node's agent and takes its reports; `restart`, `rollout` and `enforcer` replace it; `reaper` forgets it.

Cost: a loop does work for what changed. A task that ends costs its own place, not its service; a node that goes costs
its own tasks. Only a changed service is looked at as a whole, and a task that fits nowhere at all nodes, since its
explanation counts them.
"""
