"""Ways to a store: a unix socket, TCP, TLS, and Sentinels that are asked for the master first."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from zope.interface import implementer

from hokm.store.address import Address, Node

# Until all Sentinels have had their say. txredisapi waits so long even when all have answered that
# the master is down: with its 10 s a fail-over took 13.6 s in all, with 1 s 4.5 s (measured).
DISCOVERY_SECONDS: Final = 1.0


def make_endpoint(address: Address, reactor: Any, timeout: float) -> IStreamClientEndpoint:
    """Make the endpoint at which the store is.

    Args:
        timeout: Seconds that a connect may take.

    Raises:
        ValueError: See `authorities`.
    """
    if address.path is not None:
        return UNIXClientEndpoint(reactor, address.path, timeout=timeout)
    trust = authorities(address)

    def at(node: Node) -> IStreamClientEndpoint:
        host, port = node
        plain = HostnameEndpoint(reactor, host, port, timeout=timeout)
        if not address.tls:
            return plain
        return wrapClientTLS(optionsForClientTLS(host, trustRoot=trust), plain)

    if address.master is None:
        return at((address.host, address.port))
    return _Master(address, at)


def authorities(address: Address) -> Any:
    """Return who may vouch for the store's certificate; None: those that the system trusts.

    Raises:
        ValueError: The file of the address cannot be read, or holds no certificate.
    """
    if address.ca is None:
        return None
    try:
        found = x509.load_pem_x509_certificates(Path(address.ca).read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no certificate (PEM)"
        raise ValueError(f"names the file {address.ca}, which cannot be used: {reason}") from None
    return trustRootFromCertificates(
        [Certificate.loadPEM(one.public_bytes(Encoding.PEM)) for one in found]
    )


@implementer(IStreamClientEndpoint)
class _Master:
    """Asks the Sentinels at each connect, so that a fail-over is only a connect more."""

    def __init__(self, address: Address, at: Any) -> None:
        import txredisapi  # not loaded where there are no Sentinels: 30 ms of a worker's start

        self._name = address.master
        self._at = at
        self._sentinels = txredisapi.Sentinel(
            address.sentinels,
            username=address.sentinel_user,
            password=address.sentinel_password,
        )
        self._sentinels.discovery_timeout = DISCOVERY_SECONDS

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect to whatever server is the master now."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        node = await self._sentinels.discover_master(self._name)
        connected: IProtocol = await self._at(node).connect(factory)
        return connected
