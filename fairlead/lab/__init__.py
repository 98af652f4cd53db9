"""Hosts made of namespaces: a laptop becomes six machines, for people who learn and for our own tests.

`topology` says what there is (a value, from flags or a file), `underlay` which commands cable it, `node` holds one
host's namespaces, `laboratory` is the whole as an object, `command` its command line. A lab knows Fairlead only as a
program: it starts `fairlead daemon` and speaks to its socket.
"""
