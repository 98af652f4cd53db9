"""What verbs on networks and on sandboxes share: addresses, names, ports and wiring of this host's endpoints."""
