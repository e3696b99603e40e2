"""Whose word about a player's address is believed."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network


class Proxies:
    """The proxies in front of this server."""

    def __init__(self, trusted: Sequence[str]) -> None:
        """Trust these addresses or networks.

        Raises:
            ValueError: One is neither.
        """
        self._trusted = tuple(ip_network(proxy) for proxy in trusted)

    def client_address(self, peer: str, forwarded: str | None) -> str:
        """Return a player's address.

        Args:
            peer: Address of the socket's other end.
            forwarded: X-Forwarded-For as it came. Its last hop, which is the trusted proxy's own
                word, counts; what stands before it may be anybody's invention.
        """
        if not forwarded or not self.trusts(peer):
            return peer
        try:
            return str(ip_address(forwarded.rsplit(",", 1)[-1].strip()))
        except ValueError:
            return peer

    def trusts(self, peer: str) -> bool:
        """Say whether the address *peer* is a proxy's."""
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)
