"""`twistd hokm`: the command line, and the one place where the program is put together."""

from __future__ import annotations

import atexit
import math
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import IService, IServiceCollection, MultiService
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.logger import ILogObserver, Logger
from twisted.python import usage
from twisted.python.components import Componentized
from zope.interface import implementer

from hokm import config, logs
from hokm.admin.site import make_site
from hokm.config import BadSetting, Endpoint, Settings
from hokm.control.gate import Pem
from hokm.metrics import Metrics
from hokm.monotonic import use_monotonic_time
from hokm.multiprocess import prepare
from hokm.proxies import Proxies
from hokm.store import address as address_of
from hokm.store.address import Address
from hokm.store.embedded import EmbeddedServer, StateDir, StateDirError
from hokm.store.endpoint import authorities
from hokm.supervisor import succession
from hokm.supervisor.identity import identify
from hokm.supervisor.machine import Machine
from hokm.supervisor.parts import Parts
from hokm.supervisor.service import Supervisor
from hokm.supervisor.succession import Heritage
from hokm.supervisor.systemd import ServiceManager
from hokm.web.site import PublicSite

_log = Logger()

# Connections that wait to be accepted: all players may come back at once, and who finds no place
# tries again after a second. The kernel caps it (net.core.somaxconn, 4096 by default).
BACKLOG: Final = 16_384


def give_up(reason: object) -> NoReturn:
    """End the program with one line on stderr and exit code 1."""
    raise SystemExit(f"hokm: {reason}")


class Options(usage.Options):
    """The command line of `twistd hokm`.

    Attributes:
        settings: All settings, checked; there once the options are parsed.
    """

    synopsis = "[options]"
    longdesc = "Serve Hokm, the Persian four-player card game."
    optParameters = config.opt_parameters()

    settings: Settings

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the command line; what is wrong with it is told in one line, without the help."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            give_up(error)

    def postOptions(self) -> None:
        """Find and check all settings."""
        try:
            self.settings = self.load()
        except BadSetting as error:
            give_up(error)

    def load(self) -> Settings:
        """Find and check all settings, as they are now.

        Raises:
            BadSetting: See there.
        """
        return config.load(self, os.environ, lambda path: Path(path).read_bytes(), cpus())


def cpus() -> int:
    """Return how many CPUs this process may use, begun ones included."""
    return math.ceil(Machine(now=time.monotonic).cpus)


class Server(MultiService):
    """All of the program's services; it also says how log lines look."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def setServiceParent(self, parent: IServiceCollection) -> None:
        """Give our log observer to the application, which twistd asks for one."""
        if isinstance(parent, Componentized):
            settings = self._settings
            parent.setComponent(
                ILogObserver,
                logs.observer(sys.stderr, format=settings.log_format, level=settings.log_level),
            )
        super().setServiceParent(parent)


def makeService(options: Options, worker: str = "hokm.worker") -> IService:
    """Put the program together.

    What can be wrong with its surroundings (a port in use, a directory that cannot be used) is
    found here, before anything runs, and told in one line.

    Args:
        worker: Module that is a worker's program.
    """
    from twisted.internet import reactor

    use_monotonic_time(reactor)
    settings = options.settings
    # Twisted has taken what systemd says out of the environment; the kernel still has it.
    block = Path("/proc/self/environ").read_bytes()
    heritage = succession.inherit(os.environ, block, os.getpid())
    executed = heritage is not None and heritage.executed
    raise_descriptor_limit()
    try:
        state, store = _store(settings, reactor, heritage)
        listening = _listen("listen", settings.listen, heritage)
        pem = _pem(settings)
        listening_tls = (
            None if pem is None else _listen("listen_tls", settings.listen_tls, heritage)
        )
        succession.close_unused(heritage, (listening, listening_tls))
        operators = _bind("admin", settings.admin)
        values = Path(settings.state_dir) / "metrics"
        environ = {**os.environ, **prepare(values, keep=executed)}
        life: dict[str, Any] = {
            "reactor": reactor,
            "settings": settings,
            "give_up": lambda reason: _end(reactor, reason),
            "heritage": heritage,
            "manager": ServiceManager.find(os.environ, os.getpid(), reactor),
        }
        make = partial(
            Parts,
            **life,
            listening=listening,
            store=store,
            metrics=Metrics(workers=values),
            environ=environ,
            lock=state.lock,
            identity=None if settings.redis is None else identify(state, settings.instance_id),
            listening_tls=listening_tls,
            pem=pem,
            worker=worker,
        )
        supervisor = Supervisor(**life, make=make)
    except (StateDirError, BadSetting) as error:
        give_up(error)
    except OSError as error:
        give_up(f"{error.filename}: {error.strerror}")
    parts = supervisor.parts
    parts.on_http = PublicSite(
        reactor=reactor,
        tables=supervisor.desk,
        settings=settings.web,
        table=settings.table,
        client_address=Proxies(settings.worker.trusted_proxies).client_address,
    ).adopt
    site = make_site(
        instance=supervisor.desk,
        operations=parts.operations,
        token=settings.admin_token,
        reactor=reactor,
    )
    server = Server(settings)
    supervisor.setServiceParent(server)
    loop: Any = reactor
    hang_up = _hang_up(options, parts, pem, loop)
    signal.signal(signal.SIGHUP, lambda *_: loop.callFromThread(hang_up))
    signal.signal(signal.SIGUSR1, lambda *_: parts.lives.let_go())
    # Beside the supervisor, so that probes are answered while it starts and while it stops.
    StreamServerEndpointService(AdoptedPort(reactor, operators), site).setServiceParent(server)
    return server


@implementer(IStreamServerEndpoint)
class AdoptedPort:
    """An endpoint on a socket that is bound and listens already."""

    def __init__(self, reactor: Any, sock: socket.socket) -> None:
        self._reactor = reactor
        self._sock = sock

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        """Accept on the socket."""
        with self._sock as sock:
            return succeed(
                self._reactor.adoptStreamPort(sock.fileno(), sock.family, protocolFactory)
            )


def _hang_up(options: Options, parts: Parts, pem: Pem | None, reactor: Any) -> Callable[[], None]:
    """Return what SIGHUP does: it ends nobody but a server whose terminal is gone."""
    if pem is not None or options.get("config") or os.environ.get("HOKM_CONFIG"):
        return partial(_reload, options, parts)
    if os.isatty(0):
        stop: Callable[[], None] = reactor.stop
        return stop
    return partial(_log.info, "nothing is read anew: there is neither a settings file nor TLS")


def _reload(options: Options, parts: Parts) -> None:
    """Read the settings anew; the scaling's and the certificate are used from now on."""
    try:
        settings = options.load()
        pem = _pem(settings)
    except BadSetting as error:
        _log.error("the settings stay as they were: {error}", error=error)
    else:
        parts.scaler.reload(settings.scaling)
        _log.info("the rules of scaling are read anew")
        if pem is not None:
            parts.gates.renew(pem)


def _end(reactor: Any, reason: str) -> None:
    """End a running program that cannot go on as it is configured, with exit code 1."""
    sys.stderr.write(f"hokm: {reason}\n")
    # twistd knows no way to say how a program ended: it exits with 0 once the reactor stops.
    atexit.register(os._exit, 1)
    reactor.stop()


def raise_descriptor_limit() -> None:
    """Allow this process, and by inheritance its workers, all it may: each player is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _store(
    settings: Settings, reactor: Any, heritage: Heritage | None
) -> tuple[StateDir, EmbeddedServer | Address]:
    """Make the state directory, and the embedded store, or read where an outside one is.

    Raises:
        BadSetting: The outside store's address is none.
        StateDirError: The state directory, or a store in it, cannot be used.
    """
    left = None if heritage is None or not heritage.executed else heritage.estate
    state = StateDir(Path(settings.state_dir), None if left is None else left.lock)
    if settings.redis is None:
        path = None if left is None else left.store_path
        return state, EmbeddedServer(state=state, reactor=reactor, path=path, fsync=settings.fsync)
    try:
        where = address_of.parse(settings.redis)
        authorities(where)
        return state, where
    except ValueError as error:
        raise BadSetting(f"redis {error}") from None


def _pem(settings: Settings) -> Pem | None:
    """Read the files of TLS, and see whether they can be used; None where there is no TLS.

    Raises:
        BadSetting: They cannot.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    from hokm.tls import BadCertificate, server_options  # OpenSSL is large, and few need it

    try:
        pem = Pem(
            certificate=Path(settings.tls_certificate).read_bytes(),
            key=Path(settings.tls_key).read_bytes(),
        )
        server_options(pem.certificate, pem.key)
    except OSError as error:
        raise BadSetting(f"tls_certificate, tls_key: {error.filename}: {error.strerror}") from None
    except BadCertificate as error:
        raise BadSetting(f"tls_certificate, tls_key: {error}") from None
    return pem


def _listen(setting: str, endpoint: Endpoint, heritage: Heritage | None) -> socket.socket:
    """Return a listening socket: that of an earlier life, or a new one.

    Raises:
        BadSetting: The address cannot be listened on.
    """
    left = succession.listening_socket(heritage, endpoint.interface, endpoint.port)
    return _bind(setting, endpoint) if left is None else left


def _bind(setting: str, endpoint: Endpoint) -> socket.socket:
    """Make a listening socket.

    Raises:
        BadSetting: The address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in endpoint.interface else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((endpoint.interface, endpoint.port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise BadSetting(
            f"{setting}: port {endpoint.port} cannot be used: {error.strerror}"
        ) from None
    sock.setblocking(False)
    return sock
