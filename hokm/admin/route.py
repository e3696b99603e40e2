"""One path of the operators' site: what it matches, what it takes, what it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred

from hokm.jobs import Refused

MAX_BODY: Final = 1024  # bytes; the largest legal body has 20

_CANNOT_NOW: Final = 409  # busy, last_worker, and whatever else a verb is refused for
_STATUS: Final = {
    "bad_request": 400,
    "unauthorized": 401,
    "foreign_site": 403,
    "foreign_name": 403,
    "not_found": 404,
    "no_such_worker": 404,
    "no_such_room": 404,
    "no_such_job": 404,
    "method_not_allowed": 405,
    "too_big": 413,
    "internal": 500,
    "unavailable": 503,
}


class Answer(Struct, frozen=True):
    """An HTTP answer.

    Attributes:
        kind: Content type.
    """

    body: bytes
    status: int = 200
    kind: str = "application/json"


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request that has nothing to say: none, or an empty object."""


class Route(Struct, frozen=True):
    """A path and what is done there.

    Attributes:
        path: Regular expression; its groups are the action's positional arguments.
        action: May raise `Refused`.
        takes: The body, or the query of a GET; its fields are the action's keyword arguments. A
            query that is not asked for is passed over: some who watch send one.
    """

    method: str
    path: str
    action: Callable[..., Coroutine[Deferred[Any], Any, Answer]]
    takes: type[Struct] = Nothing

    def match(self, path: str) -> re.Match[str] | None:
        """Say whether this is the route of *path*, whatever the method."""
        return re.fullmatch(self.path, path, re.ASCII)

    def read_body(self, body: bytes) -> Struct:
        """Read what is wanted from a request's body.

        Raises:
            Refused: It cannot be used.
        """
        if len(body) > MAX_BODY:
            raise Refused("too_big", f"at most {MAX_BODY} bytes are taken")
        try:
            return msgspec.json.decode(body or b"{}", type=self.takes)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused("bad_request", str(error)) from None

    def read_query(self, query: Mapping[str, str]) -> Struct:
        """Read what is wanted from a request's query.

        Raises:
            Refused: It cannot be used.
        """
        try:
            return msgspec.convert({} if self.takes is Nothing else query, self.takes, strict=False)
        except msgspec.ValidationError as error:
            raise Refused("bad_request", str(error)) from None

    async def follow(self, path: re.Match[str], wanted: Struct) -> Answer:
        """Do what is done here.

        Raises:
            Refused: The action refuses.
        """
        return await self.action(*path.groups(), **msgspec.structs.asdict(wanted))


def json(value: object, status: int = 200) -> Answer:
    """Answer with *value*."""
    return Answer(msgspec.json.encode(value), status)


def refusal(refused: Refused) -> Answer:
    """Answer that a request is refused, and why."""
    error = {"code": refused.code, "message": str(refused)}
    return json({"error": error}, _STATUS.get(refused.code, _CANNOT_NOW))
