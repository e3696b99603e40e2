"""The client protocol `hokm.v1`: every message on a player's socket, one typed struct each.

JSON text, `type` first. Client messages are strict: an unknown type, an unknown field or a wrong
type is refused whole. What is here is all of the protocol: the documents under docs/protocol are
made from this module, and a test fails where they differ. No game rule and no state lives here.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from hokm.game.proof import Proof
from hokm.game.variant import Options

SUBPROTOCOL: Final = "hokm.v1"
MAX_MESSAGE_BYTES: Final = 4096  # the largest legal message is a `say` of 200 characters
MAX_NAME: Final = 24  # characters
MAX_TEXT: Final = 200  # characters

# Ambiguous symbols (0 O 1 I) are left out: codes are read aloud and typed on phones.
CODE_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CODE_LENGTH: Final = 8  # 40 bits; 6.4 days of guessing at 20 wrong joins a second and 100 k rooms

CloseCode: TypeAlias = int
LEFT: Final[CloseCode] = 1000
POLICY: Final[CloseCode] = 1008
TOO_BIG: Final[CloseCode] = 1009
FAILED: Final[CloseCode] = 1011  # a fault of the server
RESUME: Final[CloseCode] = 1012  # connect again, here or elsewhere, now or a little later
TAKEN_OVER: Final[CloseCode] = 4001  # a newer connection has the seat
TOO_SLOW: Final[CloseCode] = 4008

Id = Annotated[int, Meta(ge=1, le=2**53 - 1, description="rises by one per player")]
SeatNo = Annotated[int, Meta(ge=0, le=3, description="play order: seat + 1 plays next")]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Token = Annotated[str, Meta(min_length=16, max_length=128)]
Seed = Annotated[str, Meta(pattern="^([0-9a-f]{2}){16,64}$", description="hex, 16 to 64 bytes")]
CardName = str  # AS KH TD 2C
SuitName = str  # S H D C
Level = Literal["easy", "normal"]
Role = Literal["player", "spectator"]
Action = Literal["choose_trump", "play"]

# Every code of an `error`, with the sentence a person may read.
ERRORS: Final[dict[str, str]] = {
    "bad_card": "no such card",
    "bad_message": "the message does not fit the protocol",
    "bad_suit": "no such suit",
    "bad_token": "this token opens no seat here",
    "must_follow": "you hold the led suit and must follow it",
    "no_such_room": "there is no such room",
    "not_hakem": "only the hakem may do that",
    "not_host": "only the host may do that",
    "not_in_hand": "you do not hold that card",
    "not_joined": "join first",
    "not_seated": "spectators cannot do that",
    "not_your_turn": "it is not your turn",
    "rate_limited": "too fast; wait a moment",
    "room_full": "every seat is taken",
    "seat_taken": "that seat is taken",
    "seats_empty": "four players are needed",
    "stale_id": "a command of that or a later id was answered before",
    "worn_out": "this table has played all the hands that it committed to; make a new one",
    "wrong_phase": "not now",
}


class TableOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a table is played by: the game's options and the table's own times, in seconds."""

    turn_seconds: Annotated[float, Meta(ge=1, le=600)] = 30.0  # doubled for the trump call
    grace_seconds: Annotated[float, Meta(ge=0, le=600)] = 20.0  # absence before a bot steps in
    pause_seconds: Annotated[float, Meta(ge=0, le=60)] = 4.0  # between two hands
    bot_seconds: Annotated[float, Meta(ge=0, le=10)] = 1.0  # mean thinking time of a bot

    @property
    def game(self) -> Options:
        """The options of the game alone."""
        return Options(**{name: getattr(self, name) for name in Options.__struct_fields__})


# --- client to server ---------------------------------------------------------------------


class _Command(
    Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True, gc=False
):
    id: Id


class Join(_Command, frozen=True, tag="join"):
    """Take a seat, resume one by its token, or watch. First message, within 5 s.

    `seed` is the player's own share of the shuffle's randomness.
    """

    name: Name
    token: Token | None = None
    seat: SeatNo | None = None
    role: Role = "player"
    seed: Seed | None = None


class AddBot(_Command, frozen=True, tag="add_bot"):
    """Seat a bot (host, between matches); without `seat` on the first free one."""

    seat: SeatNo | None = None
    level: Level = "normal"


class Kick(_Command, frozen=True, tag="kick"):
    """Empty a seat (host, between matches)."""

    seat: SeatNo


class Sit(_Command, frozen=True, tag="sit"):
    """Change to a free seat (between matches)."""

    seat: SeatNo


class Ready(_Command, frozen=True, tag="ready"):
    """Say whether one is ready; the next match or hand begins once all four are."""

    ready: bool = True


class Start(_Command, frozen=True, tag="start"):
    """Begin a match, or the rematch (host). `fill` seats bots on what is free."""

    fill: bool = False


class ChooseTrump(_Command, frozen=True, tag="choose_trump"):
    """Name the trump suit (hakem)."""

    suit: str


class Redeal(_Command, frozen=True, tag="redeal"):
    """Refuse five low cards (hakem, where the table allows it) and have a fresh deal."""


class Play(_Command, frozen=True, tag="play"):
    """Play a card."""

    card: str


class Say(_Command, frozen=True, tag="say"):
    """Chat; at most 5 messages in 10 s."""

    text: Text


class Leave(_Command, frozen=True, tag="leave"):
    """Give the seat up for good; the connection is closed with 1000."""


class Sync(_Command, frozen=True, tag="sync"):
    """Ask for the whole `state`."""


Command: TypeAlias = (
    Join | AddBot | Kick | Sit | Ready | Start | ChooseTrump | Redeal | Play | Say | Leave | Sync
)

# --- server to client: answers and state --------------------------------------------------


class _Answer(Struct, frozen=True, tag_field="type", gc=False):
    pass


class Ok(_Answer, frozen=True, tag="ok"):
    """The command is done and durable, and all that it caused was sent before this."""

    id: int


class Error(_Answer, frozen=True, tag="error"):
    """The command was refused and changed nothing. `id` is null where none could be read."""

    id: int | None
    code: str
    message: str


class SeatState(Struct, frozen=True, omit_defaults=True):
    """Who sits on a seat. `stand_in`: a bot plays for a player who is away."""

    name: str
    kind: Literal["human", "bot"]
    connected: bool = False
    ready: bool = False
    stand_in: bool = False
    level: str | None = None


class TrickState(Struct, frozen=True):
    """Cards in play order, the first from `leader`; `winner` once it is complete."""

    leader: int
    cards: tuple[CardName, ...]
    winner: int | None = None


class TurnState(Struct, frozen=True):
    """Whose turn it is, for what, and the time left."""

    seat: int
    action: Action
    seconds_left: float


class HandResult(Struct, frozen=True):
    """How a hand ended."""

    winner: int
    tricks: tuple[int, int]
    points: int
    kot: Literal["none", "kot", "hakem_kot"]
    score: tuple[int, int]
    next_hakem: int


class State(Struct, frozen=True):
    """All that this recipient may see. `seq` is the last event's that is contained."""

    seq: int
    phase: Literal["lobby", "call", "play", "hand_over", "match_over"]
    options: TableOptions
    seats: tuple[SeatState | None, ...]
    host: int | None
    seat: int | None
    match_no: int
    hand_no: int
    score: tuple[int, int]
    tricks: tuple[int, int]
    hakem: int | None
    dealer: int | None
    trump: SuitName | None
    hand: tuple[CardName, ...]
    legal: tuple[CardName, ...]
    counts: tuple[int, ...]
    table: TrickState | None
    last_trick: TrickState | None
    turn: TurnState | None
    may_redeal: bool
    commitment: str
    result: HandResult | None
    winner: int | None
    paused: bool = False


class Welcome(_Answer, frozen=True, tag="welcome"):
    """A seat (or a watcher's place, `seat` and `token` null) was taken or resumed.

    Commands above `last_id` were not done and are to be sent again.
    """

    room_code: str
    seat: int | None
    token: str | None
    last_id: int
    state: State


class StateMessage(_Answer, frozen=True, tag="state"):
    """The whole state, on `sync` or when the server had to recover the table."""

    last_id: int
    state: State


# --- server to client: events -------------------------------------------------------------


class _Event(Struct, frozen=True, tag_field="type", omit_defaults=True, gc=False):
    seq: int


class PlayerJoined(_Event, frozen=True, tag="player_joined"):
    """A player took a seat; `back`: the seat's own player has returned to it."""

    seat: int
    name: str
    back: bool = False


class PlayerLeft(_Event, frozen=True, tag="player_left"):
    """`away`: the connection is lost, the seat is kept. `left` and `kicked`: it is free."""

    seat: int
    name: str
    reason: Literal["away", "left", "kicked"]


class BotJoined(_Event, frozen=True, tag="bot_joined"):
    """A bot took a seat, or (`stand_in`) plays for its absent owner until he is back."""

    seat: int
    name: str
    level: str
    stand_in: bool = False


class SeatChanged(_Event, frozen=True, tag="seat_changed"):
    """A player moved to another seat."""

    seat: int
    to: int


class PlayerReady(_Event, frozen=True, tag="player_ready"):
    """A player is ready, or no longer."""

    seat: int
    ready: bool


class HostChanged(_Event, frozen=True, tag="host_changed"):
    """Another player is the host."""

    seat: int


class MatchStarted(_Event, frozen=True, tag="match_started"):
    """A match begins; `commitment` binds the draw and the first hand."""

    match_no: int
    names: tuple[str, ...]
    commitment: str


class HakemDrawn(_Event, frozen=True, tag="hakem_drawn"):
    """The first hakem and the cards turned up for him, the first one to `start_seat`.

    `swap`: with `ace_partner`, the two seats whose players changed places.
    """

    hakem: int
    start_seat: int
    cards: tuple[CardName, ...]
    swap: tuple[int, int] | None = None


class HandStarted(_Event, frozen=True, tag="hand_started"):
    """A hand begins; `commitment` is the SHA-256 of the secret that `proof` will reveal."""

    hand_no: int
    hakem: int
    dealer: int
    commitment: str
    redeal_no: int = 0


class CardsDealt(_Event, frozen=True, tag="cards_dealt"):
    """Cards were dealt: `cards` are the recipient's new ones, `counts` what each seat holds."""

    cards: tuple[CardName, ...]
    counts: tuple[int, ...]


class Turn(_Event, frozen=True, tag="turn"):
    """Somebody's turn; `legal` (cards, or suits for the call) is told to him alone."""

    seat: int
    action: Action
    seconds_left: float
    legal: tuple[str, ...] | None = None
    may_redeal: bool = False


class TrumpChosen(_Event, frozen=True, tag="trump_chosen"):
    """`auto`: by a bot or the clock."""

    seat: int
    suit: SuitName
    auto: bool = False


class CardPlayed(_Event, frozen=True, tag="card_played"):
    """`auto`: by a bot or the clock."""

    seat: int
    card: CardName
    auto: bool = False


class TrickWon(_Event, frozen=True, tag="trick_won"):
    """A trick is complete; its winner leads next. `tricks` by team (seat % 2)."""

    seat: int
    tricks: tuple[int, int]


class HandOver(_Event, frozen=True, tag="hand_over"):
    """A team has seven tricks; `proof` lets anyone check the deal."""

    winner: int
    tricks: tuple[int, int]
    points: int
    kot: Literal["none", "kot", "hakem_kot"]
    score: tuple[int, int]
    next_hakem: int
    proof: Proof


class MatchOver(_Event, frozen=True, tag="match_over"):
    """A team has reached the target."""

    winner: int
    score: tuple[int, int]


class Said(_Event, frozen=True, tag="said"):
    """Chat."""

    seat: int
    name: str
    text: str


class Notice(Struct, frozen=True, tag_field="type", tag="notice", omit_defaults=True, gc=False):
    """Something about the table itself: `paused` and `resumed`, when the store is away and back.

    It is no part of the log, so it carries no `seq` of its own.
    """

    kind: Literal["paused", "resumed"]
    message: str


Event: TypeAlias = (
    PlayerJoined
    | PlayerLeft
    | BotJoined
    | SeatChanged
    | PlayerReady
    | HostChanged
    | MatchStarted
    | HakemDrawn
    | HandStarted
    | CardsDealt
    | Turn
    | TrumpChosen
    | CardPlayed
    | TrickWon
    | HandOver
    | MatchOver
    | Said
)
Message: TypeAlias = Ok | Error | Welcome | StateMessage | Notice | Event

# --- HTTP ---------------------------------------------------------------------------------


class CreateRoom(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /api/rooms`: fields of `TableOptions`; the server's own where missing."""

    options: dict[str, Any] = {}

    def on(self, defaults: TableOptions) -> TableOptions:
        """Return the options of the new table.

        Raises:
            msgspec.ValidationError: An option is unknown or has a bad value; names it.
        """
        given = msgspec.structs.asdict(defaults) | self.options
        return msgspec.convert(given, TableOptions)


class RoomCreated(Struct, frozen=True):
    """Answer of `POST /api/rooms`; `host_token` is the creator's token for his first `join`."""

    room_code: str
    url: str
    host_token: str
    commitment: str


class PlayedTrick(Struct, frozen=True):
    """A finished trick of the history."""

    leader: int
    cards: tuple[CardName, ...]
    winner: int


class FinishedHand(Struct, frozen=True):
    """One finished hand of `GET /api/rooms/CODE/history`: deck in deal order, and all plays."""

    match_no: int
    hand_no: int
    names: tuple[str, ...]
    hakem: int
    dealer: int
    deck: tuple[CardName, ...]
    trump: SuitName
    plays: tuple[PlayedTrick, ...]
    result: HandResult
    proof: Proof


class History(Struct, frozen=True):
    """Answer of `GET /api/rooms/CODE/history`: finished hands, oldest first."""

    room_code: str
    hands: tuple[FinishedHand, ...]


# --- bytes --------------------------------------------------------------------------------


class BadMessage(Exception):
    """A client message that does not fit the protocol.

    The caller answers `error bad_message` with `id` where one could be read.

    Attributes:
        id: The message's id, or None.
        reason: What does not fit, with its path; holds nothing of the message's values.
    """

    def __init__(self, id: int | None, reason: str) -> None:
        super().__init__(reason)
        self.id = id
        self.reason = reason


class _OnlyId(Struct):
    id: Id


_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
_id_decoder = msgspec.json.Decoder(_OnlyId)
_message_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_encoder = msgspec.json.Encoder()


def decode(text: bytes) -> Command:
    """Read one client message.

    Raises:
        BadMessage: It is no JSON, or does not fit. The caller answers and changes nothing.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(_id_in(text), str(error)) from None


def _id_in(text: bytes) -> int | None:
    try:
        return _id_decoder.decode(text).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def decode_message(text: bytes) -> Message:
    """Read one server message; what clients written in Python use.

    Raises:
        msgspec.DecodeError: It does not fit: the server is of another release.
    """
    return _message_decoder.decode(text)


def encode(message: Message | Command | Any) -> bytes:
    """Write a message as JSON text."""
    return _encoder.encode(message)


def error(id: int | None, code: str, message: str | None = None) -> Error:
    """Make the `error` answer for *code*, one of `ERRORS`."""
    return Error(id, code, ERRORS[code] if message is None else message)


def room_code(text: str) -> str | None:
    """Read a room code as a person may type it: any case, 4 to 16 symbols of the alphabet.

    Returns:
        The code in upper case, or None when it cannot be one.
    """
    code = text.upper()
    return code if 4 <= len(code) <= 16 and all(c in CODE_ALPHABET for c in code) else None
