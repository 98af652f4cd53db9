"""The codec against an independent one (dnspython), and against any bytes at all."""

from ipaddress import ip_address

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.dns import wire
from fairlead.core.dns.codes import PeerError, Rcode, Type
from fairlead.core.dns.name import encode_name, fold, labels_of, reversed_address

labels = st.from_regex(r"[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,20})", fullmatch=True)
hostnames = st.lists(labels, min_size=1, max_size=8).map(".".join)
addresses = st.ip_addresses()


def query(name: str, rtype: str = "A", **options: object) -> bytes:
    return dns.message.make_query(name, rtype, **options).to_wire()


def parsed(data: bytes) -> dns.message.Message:
    return dns.message.from_wire(data)


@given(hostnames, st.sampled_from(["A", "AAAA", "PTR", "MX", "TXT", "HTTPS"]), st.integers(0, 65535), st.booleans())
def test_a_query_is_read_as_it_was_written(name: str, rtype: str, size: int, dnssec_ok: bool) -> None:
    message = dns.message.make_query(name, rtype, use_edns=0, payload=size, want_dnssec=dnssec_ok)
    read = wire.parse_query(message.to_wire())
    assert read.id == message.id
    assert read.type == dns.rdatatype.from_text(rtype)
    assert read.name == dns.name.from_text(name).to_wire()
    assert read.section == message.to_wire()[12 : 12 + len(read.section)]
    assert read.edns == wire.Edns(message.payload, 0, dnssec_ok, False)


def test_a_plain_query_has_no_edns() -> None:
    assert wire.parse_query(query("web")).edns is None


def test_other_additional_records_are_stepped_over() -> None:
    data = bytearray(query("web", use_edns=0))
    tail = b"\xc0\x0c" + (16).to_bytes(2) + (1).to_bytes(2) + bytes(4) + (3).to_bytes(2) + b"\2hi"
    data[10:12] = (2).to_bytes(2)
    assert wire.parse_query(bytes(data) + tail).edns is not None


@given(st.binary(max_size=600))
def test_any_bytes_are_a_query_or_a_peers_error(data: bytes) -> None:
    try:
        read = wire.parse_query(data)
    except PeerError as error:
        refusal = None if error.rcode is None else parsed(wire.refuse(data, error.rcode)).rcode()
        assert refusal == error.rcode  # noqa: PT017 - either outcome is right, and each must be consistent
    else:
        assert data[12:].startswith(read.section)


@given(st.binary(max_size=600))
def test_any_bytes_are_a_reply_or_a_peers_error(data: bytes) -> None:
    try:
        head = wire.parse_reply_head(data)
    except PeerError:
        return
    assert data[12:].startswith(head.section)


@given(hostnames, st.data())
def test_a_damaged_query_is_a_query_or_a_peers_error(name: str, data: st.DataObject) -> None:
    message = bytearray(query(name, use_edns=0))
    for _ in range(data.draw(st.integers(1, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    message = message[: data.draw(st.integers(0, len(message)))]
    try:
        wire.parse_query(bytes(message))
    except PeerError:
        return


@pytest.mark.parametrize(
    ("change", "rcode"),
    [
        (lambda q: q[:11], None),
        (lambda q: q[:2] + b"\x81\x00" + q[4:], None),
        (lambda q: q[:2] + b"\x29\x00" + q[4:], Rcode.NOTIMP),
        (lambda q: q[:4] + b"\0\0" + q[6:], Rcode.FORMERR),
        (lambda q: q[:4] + b"\0\2" + q[6:] + q[12:], Rcode.FORMERR),
        (lambda q: q[:6] + b"\0\1" + q[8:], Rcode.FORMERR),
        (lambda q: q[:10] + b"\xff\xff" + q[12:], Rcode.FORMERR),
        (lambda q: q + b"\0", Rcode.FORMERR),
        (lambda q: q[:-1], Rcode.FORMERR),
        (lambda q: q[:12] + b"\xc0\x0c" + q[-4:], Rcode.FORMERR),
        (lambda q: q[:12] + b"\x40" + q[13:], Rcode.FORMERR),
        (lambda q: q[:12] + b"\x3f" + b"a" * 10, Rcode.FORMERR),
        (lambda q: q[:12] + (b"\x3f" + b"a" * 63) * 5 + b"\0" + q[-4:], Rcode.FORMERR),
    ],
    ids=["short", "reply", "opcode", "no question", "two", "answers", "counts", "longer", "cut", "loop", "label"]
    + ["in a label", "name too long"],
)
def test_what_is_no_query_is_told_so_or_met_with_silence(change, rcode: Rcode | None) -> None:
    with pytest.raises(PeerError) as wrong:
        wire.parse_query(change(query("web")))
    assert wrong.value.rcode == rcode


def test_two_opt_records_are_one_too_many() -> None:
    data = bytearray(query("web", use_edns=0))
    opt = bytes(data[-11:])
    data[10:12] = (2).to_bytes(2)
    with pytest.raises(PeerError):
        wire.parse_query(bytes(data) + opt)


@given(hostnames, st.lists(addresses, max_size=40), st.integers(0, 3600), st.integers(512, 4096), st.booleans())
def test_a_reply_is_read_as_it_was_meant(name: str, found: list, ttl: int, limit: int, edns: bool) -> None:
    data = query(name, use_edns=0) if edns else query(name)
    asked = wire.parse_query(data)
    reply = data[:2] + wire.respond(asked, Rcode.NOERROR, [wire.address_record(a, ttl) for a in found], limit)
    assert len(reply) <= limit
    read = parsed(reply)
    assert read.id == asked.id
    assert read.question[0].name == dns.name.from_text(name)
    assert (read.edns == 0) is edns
    said = [(ip_address(rdata.address), rrset.ttl) for rrset in read.answer for rdata in rrset]
    meant = [(address, ttl) for address in found]
    truncated = bool(read.flags & dns.flags.TC)
    assert set(said) <= set(meant)
    assert truncated or set(said) == set(meant)


def test_as_many_records_as_fit_are_sent_and_the_rest_announced() -> None:
    asked = wire.parse_query(query("web"))
    records = [b"x" * 100] * 6
    reply = wire.respond(asked, Rcode.NOERROR, records, 512)
    assert reply.count(b"x" * 100) == 4
    assert reply[0] & 0x02


@pytest.mark.parametrize(("size", "limit"), [(0, 512), (512, 512), (1232, 1232), (4096, 4096), (65535, 4096)])
def test_the_client_says_how_much_it_takes(size: int, limit: int) -> None:
    assert wire.parse_query(query("web", use_edns=0, payload=size)).udp_limit == limit


def test_an_unknown_edns_version_is_answered_in_ours() -> None:
    asked = wire.parse_query(query("web", use_edns=3))
    read = parsed(wire.fail(asked, Rcode.BADVERS))
    assert read.rcode() == 16
    assert read.edns == 0


def test_the_dnssec_bit_comes_back_as_it_went() -> None:
    for wanted in (True, False):
        asked = wire.parse_query(query("web", use_edns=0, want_dnssec=wanted))
        assert bool(parsed(wire.fail(asked, Rcode.SERVFAIL)).ednsflags & dns.flags.DO) is wanted


@given(hostnames, st.binary(max_size=3000))
def test_a_shortened_reply_has_only_its_question(name: str, junk: bytes) -> None:
    request = dns.message.make_query(name, "TXT")
    reply = bytearray(dns.message.make_response(request).to_wire() + junk)
    reply[6:8] = b"\xff\xff"
    section = wire.parse_query(request.to_wire()).section
    read = parsed(wire.shorten(bytes(reply), section))
    assert read.flags & dns.flags.TC
    assert read.question == request.question
    assert not read.answer


@given(hostnames)
def test_names_are_written_as_everybody_writes_them(name: str) -> None:
    encoded = encode_name(name)
    assert encoded == dns.name.from_text(name).to_wire()
    assert b".".join(labels_of(encoded)).decode() == name
    assert fold(encoded) == dns.name.from_text(name.lower()).to_wire()


@pytest.mark.parametrize("name", ["", ".", "a..b", ".a", "a" * 64, "é", ".".join(["abcdefg"] * 40)])
def test_what_dns_cannot_say_has_no_wire_name(name: str) -> None:
    assert encode_name(name) is None


@given(addresses)
def test_reverse_names_lead_back(address) -> None:
    name = encode_name(address.reverse_pointer.upper())
    assert name is not None
    assert reversed_address(fold(name)) == address


@pytest.mark.parametrize(
    "name",
    [
        "in-addr.arpa",
        "3.2.1.in-addr.arpa",
        "5.4.3.2.1.in-addr.arpa",
        "256.2.3.4.in-addr.arpa",
        "x.2.3.4.in-addr.arpa",
        "01.2.3.4.in-addr.arpa",
        "1.2.ip6.arpa",
        ".".join("0" * 31 + "_") + ".ip6.arpa",
        ".".join(["00"] * 16) + ".ip6.arpa",
        "1.2.3.4.example",
    ],
)
def test_other_names_are_no_addresses(name: str) -> None:
    encoded = encode_name(name)
    assert encoded is not None
    assert reversed_address(encoded) is None


def test_types_are_the_registered_ones() -> None:
    assert all(dns.rdatatype.from_text(kind.name) == kind for kind in Type)
