"""Calls between the nodes of a swarm: HTTP/1.1 over TLS 1.3, `POST /<name>`.

`listener` is a manager's end, `caller` everybody's. An answer is 200 and a body, or 200 and a stream (chunked, one JSON
document per line), or a refusal: its status and text make it the same class again at the other end (`refusals`). A
stream that ends in a refusal tells it in a trailer.

Who calls is known from TLS: the certificate's subject, verified against the swarm's roots. A caller without one is a
stranger and may make those calls alone that are open to anybody; one whose certificate is forged or expired does not
get through the handshake. Everybody who is refused leaves one line in the log, with the address and why.

The roots and certificates in use are fixed when a connection is made. `renew` counts from the next one on: callers drop
their idle connections, and a listener ends a connection when the certificate that opened it expires. A stream that was
opened before a change of roots goes on; its node reopens it when it has renewed its own certificate.

A peer whose link was cut is noticed after about six seconds (`tls.notice_silence`), a process that died at once.
"""
