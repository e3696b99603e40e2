"""How the peers are started."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from ports import free_ports

from benchmark.cores import Cores
from benchmark.folder import HERE, Folder
from benchmark.server import Dialect, Server, accepts, process, wait_until
from hokm.store.embedded import find_server

Command = Callable[[Folder], tuple[list[str], dict[str, str]]]


def _node(script: str) -> Command:
    def command(folder: Folder) -> tuple[list[str], dict[str, str]]:
        environ = {"NODE_PATH": str(folder.node_modules()), "NODE_ENV": "production"}
        return ["node", str(HERE / "peers" / script)], environ

    return command


def _python(module: str) -> Command:
    def command(folder: Folder) -> tuple[list[str], dict[str, str]]:
        arguments = [str(folder.python()), "-m", f"benchmark.peers.{module}"]
        return arguments, {"PYTHONPATH": str(HERE.parent)}

    return command


def _autobahn(folder: Folder) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "-m", "benchmark.peers.with_autobahn"], {"PYTHONPATH": str(HERE.parent)}


def _limit(folder: Folder) -> tuple[list[str], dict[str, str]]:
    return [str(folder.program("peers/limit.c"))], {}


COMMANDS: Final[Mapping[str, Command]] = {
    "ws": _node("ws.js"),
    "ws_durable": _node("ws.js"),
    "colyseus": _node("colyseus.js"),
    "socketio": _node("socketio.js"),
    "websockets": _python("with_websockets"),
    "aiohttp": _python("with_aiohttp"),
    "picows": _python("with_picows"),
    "autobahn": _autobahn,
    "c_limit": _limit,
}
_DIALECTS: Final[Mapping[str, Dialect]] = {"colyseus": "colyseus", "socketio": "socketio"}


@contextmanager
def peer(name: str, folder: Folder, cores: Cores) -> Iterator[Server]:
    """Run a peer.

    Raises:
        Unavailable: It cannot be installed.
        DidNotStart: It did not.
    """
    command, environ = COMMANDS[name](folder)
    [port] = free_ports(1)
    helpers = {}
    with ExitStack() as stack:
        arguments = [*command, str(port)]
        if name == "ws_durable":
            pid, path = stack.enter_context(_store(cores))
            helpers["store"] = pid
            arguments.append(path)
        child = stack.enter_context(process(arguments, environ, cores.servers[0]))
        wait_until(lambda: accepts(port), child, name)
        yield Server(name, _DIALECTS.get(name, "json"), port, (child.pid,), helpers)


@contextmanager
def _store(cores: Cores) -> Iterator[tuple[int, str]]:
    """Run a store as hokm runs its own (`hokm.store.embedded`); gives its pid and its socket."""
    with tempfile.TemporaryDirectory(prefix="hokm-benchmark-") as state:
        path = Path(state) / "s"
        options = {
            "port": "0",
            "unixsocket": str(path),
            "dir": state,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
        }
        command = [find_server()]
        for option, value in options.items():
            command += [f"--{option}", value]
        with process(command, {}, cores.load) as child:
            wait_until(path.exists, child, "the store of ws_durable")
            yield child.pid, str(path)
