"""What gossip looks like on the wire: envelopes of datagrams, frames of streams, and the messages in them."""
