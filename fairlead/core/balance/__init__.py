"""Load balancing: which rules lead a client to one of a service's tasks.

Two places, one principle (destination translated once, source never): a virtual address is translated in the sandbox
of the client (`virtual`), a published port in the ingress sandbox of the node by which the client came (`mesh`).
`slots` shares out the slots among backends; `service` holds the values.

Tables are constant; services and backends are elements. The connection tracking of the namespace in which a connection
was translated remembers its backend, so a change of slots concerns new connections only.
"""
