"""Addresses: which subnets a network gets, and which address of them an endpoint gets.

Entry points:
- `request.validate(pools, ipv6)`: is what the user typed well formed? Docker's own sentences.
- `request.resolve(wanted, space)`: the pools of a new network, out of the request and a `pools.Space`.
- `pools.Space`: the host's occupied ground and the pools to take from; `pools.ula(seed)` for IPv6.
- `leases.Leases(network)`: the addresses of one network; `lease`, `claim`, `release`, `restore`.
- `mac.of(ipv4, ipv6)`: the hardware address that belongs to an endpoint's addresses.
"""
