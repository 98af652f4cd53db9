"""Side by side with a real dockerd: the same requests, interleaved in one run, medians and their ratios.

`python -m bench` runs every row, `python -m bench connect ports` some. Each engine lives in a node of its own
(network, mount and PID namespaces), reached over its unix socket. A ratio below 1 is in Fairlead's favour.
"""
