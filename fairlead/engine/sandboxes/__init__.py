"""A container's whole network: raised, changed while it runs, and taken down."""
