"""The packet filter: one constant table on the host, whose sets and maps say what exists; and the fate of a packet.

Entry points:
- `table.host_table(features)` and `table.user_table()`: what is written once, when the daemon starts.
- `ground.settings(features)` and `ground.forwarding(version)`: the host's own parameters that the table stands on.
- `elements.network_elements(rules)`: what a network adds (`rules` is a `NetworkRules`).
- `elements.endpoint_elements(rules, ipv4, ipv6, ports)`: what its endpoint with published ports adds.
- `elements.link_elements(...)`: the ports that a legacy link opens where containers may not talk.
- `elements.local_elements(held)`: the host's addresses, for kernels without fib expressions.
- `elements.change(add, remove)`: elements as the transaction that a plan carries.
- `sandbox.resolver_table(udp_port, tcp_port)`: the resolver's address inside a sandbox.
- `fate.follow(packet, tables, elements, host)`: what becomes of a packet.
"""
