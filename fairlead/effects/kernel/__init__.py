"""The hands on the kernel: links, addresses, routes, rules, namespaces, ports.

Everything here speaks to the kernel itself (netlink, /proc/sys, setns, sockets); no program is started.
Of the rest of Fairlead it knows only `fairlead.model`.
"""
