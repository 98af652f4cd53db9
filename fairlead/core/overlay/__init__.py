"""What encrypts overlay networks: keys of the swarm become associations between two nodes."""
