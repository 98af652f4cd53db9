"""The managers' shared store: etcd, started and watched over by the daemon, and spoken to by its JSON gateway.

A manager runs one etcd member as its child (`child`, `flags`, `member`). Members meet each other over mutual TLS with
the swarm's own certificates; clients reach a member only through a unix socket in a folder that nobody but root may
enter, so there is no port to attack. The gateway (`gateway`) is etcd's own translation of its gRPC services to
HTTP and JSON; `exchange` is the little HTTP that it needs.

On it stands the store: `keys` says where things lie, `transaction` what one commit asks, `receipts` how a commit whose
answer was lost is still decided, `store` joins them, `history` follows what changed, `leadership` is the campaign for
the right to lead. etcd 3.4 (Debian 12) is the oldest that works.
"""
