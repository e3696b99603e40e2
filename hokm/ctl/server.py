"""The server's admin port, as hokmctl sees it."""

from __future__ import annotations

import http.client
import json
from typing import Any, Final
from urllib.parse import urlsplit

REQUEST_SECONDS: Final = 15.0  # the longest answer is a move's: it is waited for, 10 s at most

_CONNECTIONS: Final = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


class Trouble(Exception):
    """Why a command ends without having done what it was to do.

    Attributes:
        exit_code: What hokmctl ends with.
    """

    exit_code = 1


class Refused(Trouble):
    """The server said no; the text is what it said.

    Attributes:
        code: The server's word for it.
    """

    exit_code = 3

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Unreachable(Trouble):
    """There is no server, or it does not answer."""

    exit_code = 4


class BadAddress(Trouble):
    """This is no address of a server."""

    exit_code = 2


class Server:
    """One server's admin port."""

    def __init__(self, url: str, token: str | None) -> None:
        """Note where it is.

        Args:
            url: As `http://127.0.0.1:8764`; may have a path, where a proxy puts it under one.
            token: Bearer token, where the server asks for one.

        Raises:
            BadAddress: *url* is none.
        """
        self.url = url
        try:
            parts = urlsplit(url)
            self._open = _CONNECTIONS[parts.scheme]
            self._host, self._port = parts.hostname or "", parts.port
        except (ValueError, KeyError):
            raise BadAddress(f"{url} is no address; one looks like http://127.0.0.1:8764") from None
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}".encode()} if token else {}

    def get(self, path: str, seconds: float = REQUEST_SECONDS) -> Any:
        """Return what *path* answers."""
        return self._ask("GET", path, None, seconds)

    def post(self, path: str, **body: int) -> Any:
        """Ask for something to be done; returns the job's status."""
        return self._ask("POST", path, json.dumps(body).encode(), REQUEST_SECONDS)

    def _ask(self, method: str, path: str, body: bytes | None, seconds: float) -> Any:
        """Make one request.

        Raises:
            Refused: The server says no.
            Trouble: The server has a fault.
            Unreachable: No answer came within *seconds*, or none of a hokm server.
        """
        connection = self._open(self._host, self._port, timeout=seconds)
        headers = self._headers | ({"Content-Type": "application/json"} if body else {})
        try:
            connection.request(method, self._path + path, body, headers)
            answer = json.loads(connection.getresponse().read())
            error = answer.get("error") if isinstance(answer, dict) else None
            refused = Refused(error["code"], error["message"]) if error else None
        except (OSError, http.client.HTTPException) as lost:
            raise Unreachable(f"cannot reach {self.url}: {_reason(lost)}") from None
        except (ValueError, KeyError, TypeError):
            raise Unreachable(f"what answers at {self.url} is no hokm server") from None
        finally:
            connection.close()
        if refused is not None:
            raise Trouble(str(refused)) if refused.code == "internal" else refused
        return answer


def _reason(lost: Exception) -> str:
    return getattr(lost, "strerror", None) or str(lost) or type(lost).__name__
