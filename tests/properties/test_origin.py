"""The PROXY protocol's header, whatever comes in its place."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from hokm.origin import HEADER_BYTES, Header, NoHeader, read, write

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
STARTS = st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, write("192.0.2.7")])
ADDRESSES = st.ip_addresses().map(str) | st.just("")


@given(STARTS, st.binary(max_size=300))
def test_any_bytes(start: bytes, rest: bytes) -> None:
    """Nothing makes it fail; a header lies within what came, is bounded, and tells an address."""
    data = start + rest
    found = read(data)
    if isinstance(found, Header):
        assert 0 < found.size <= min(len(data), HEADER_BYTES)
        assert read(data[: found.size]) == found
        assert not found.address or str(ip_address(found.address)) == found.address
        assert 0 <= found.hops <= 255


@given(STARTS, st.binary(max_size=40), st.binary(max_size=40))
def test_more_bytes_only_decide(start: bytes, rest: bytes, more: bytes) -> None:
    """What was decided stays decided when more bytes come."""
    before = read(start + rest)
    if before is not NoHeader.PARTIAL and start + rest:
        assert read(start + rest + more) == before


@given(ADDRESSES, st.integers(0, 255), st.binary(max_size=16), st.binary(max_size=50))
def test_written_and_read(address: str, hops: int, secret: bytes, rest: bytes) -> None:
    """Address, hops and secret survive, and so does what follows."""
    header = write(address, hops=hops, secret=secret)
    found = read(header + rest)
    assert isinstance(found, Header)
    assert (found.size, found.hops, found.secret) == (len(header), hops, secret)
    if address:
        assert ip_address(found.address).packed[-4:] == ip_address(address).packed[-4:]
