"""A DHCPv4 client (RFC 2131, 2132, 3396) as a machine: frames and deadlines in, frames and events out.

`message` is what client and server say to each other, `frame` how that lies in an Ethernet frame, `client` the states.
A container's lease is asked for before its interface exists, from the parent interface of its network and with the
MAC that it will have; so the machine speaks frames rather than datagrams.
"""
