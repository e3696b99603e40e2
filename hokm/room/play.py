"""Commands at the table: naming trump, playing a card, and how hands and matches follow."""

from __future__ import annotations

from typing import Final

from hokm import wire
from hokm.game import cards, fair
from hokm.game import hand as hands
from hokm.game import match as matches
from hokm.game.cards import Card
from hokm.room import events as e
from hokm.room.effects import Reseat
from hokm.room.history import finished
from hokm.room.host import relieve_host
from hokm.room.state import Room
from hokm.room.story import Refused, Story

CALL_TURNS: Final = 2  # the call takes the time of two turns: it decides the hand
# A bot thinks between 0.6 and 1.5 times the table's mean, whatever it holds: how long somebody
# thinks must say nothing about his cards.
BOT_LEAST: Final = 0.6
BOT_SPREAD: Final = 0.9


def choose_trump(story: Story, seat: int, command: wire.ChooseTrump) -> None:
    """Name the trump."""
    room = story.room
    if room.hand is None or room.phase != "call":
        raise Refused("wrong_phase")
    suit = cards.SUITS.find(command.suit) if len(command.suit) == 1 else -1
    _allow(hands.check_call(room.hand, seat, suit))
    name_trump(story, seat, suit, auto=False)


def redeal(story: Story, seat: int, command: wire.Redeal) -> None:
    """Refuse five low cards."""
    room = story.room
    if room.hand is None or room.phase != "call":
        raise Refused("wrong_phase")
    if seat != room.hand.hakem:
        raise Refused("not_hakem")
    if not hands.may_refuse(room.hand, room.options):
        raise Refused("wrong_phase")
    deal_again(story)


def play(story: Story, seat: int, command: wire.Play) -> None:
    """Play a card."""
    room = story.room
    if room.hand is None or room.phase != "play":
        raise Refused("wrong_phase")
    card = cards.CARDS.get(command.card)
    if card is None:
        raise Refused("bad_card")
    _allow(hands.check_play(room.hand, seat, card))
    put_card(story, seat, card, auto=False)


def _allow(code: str | None) -> None:
    if code is not None:
        raise Refused(code)


def name_trump(story: Story, seat: int, suit: int, *, auto: bool) -> None:
    """Let the hakem name the trump, the rest be dealt and the first trick begin."""
    story.tell(e.Trumped(seat, suit, auto))
    story.tell(e.Dealt(rest=True))
    begin_turn(story, seat, "play")


def put_card(story: Story, seat: int, card: Card, *, auto: bool) -> None:
    """Let *seat* play *card*, and follow what it ends: the trick, the hand, the match."""
    story.tell(e.Played(seat, card, auto))
    story.count("plays")
    hand = story.room.hand
    assert hand is not None
    if not hands.trick_full(hand):
        begin_turn(story, hand.turn, "play")
        return
    story.tell(e.TrickTaken(hands.winner_of_trick(hand)))
    hand = story.room.hand
    assert hand is not None
    if hand.phase == "over":
        end_hand(story)
    else:
        begin_turn(story, hand.turn, "play")


def begin_turn(story: Story, seat: int, action: wire.Action) -> None:
    """Give *seat* the turn, with its time."""
    options = story.room.options
    seconds = options.turn_seconds * (CALL_TURNS if action == "choose_trump" else 1)
    bot_at = bot_time(story) if story.room.seat(seat).by_bot else None
    story.tell(e.TurnBegan(seat, action, story.now + seconds, bot_at))


def bot_time(story: Story) -> float:
    """Return the room time at which a bot that begins to think now will act."""
    mean = story.room.options.bot_seconds
    return story.now + mean * (BOT_LEAST + BOT_SPREAD * story.chance.random())


def begin_match(story: Story) -> None:
    """Begin a match: draw the first hakem and deal."""
    if story.room.link >= fair.LENGTH - matches.most_hands(story.room.options):
        # A new chain would begin when the players' seeds are known: it could be chosen by them.
        raise Refused("worn_out")
    story.tell(e.MatchBegan())
    room = story.room
    drawn = matches.draw(room.options, fair.Stream(_key(room, "draw", room.seeds, hand_no=1)))
    swap = matches.swap_for_partner(drawn.hakem, drawn.partner)
    turned = tuple(card for _, card in drawn.cards)
    story.tell(e.Drawn(drawn.hakem, drawn.start, turned, swap))
    if swap is not None:
        story.want(Reseat(*swap))
    deal(story, drawn.hakem)


def next_hand(story: Story) -> None:
    """Deal the next hand of the match."""
    assert story.room.result is not None
    deal(story, story.room.result.next_hakem)


def deal_again(story: Story) -> None:
    """Deal this hand afresh: the hakem has refused his five."""
    hand = story.room.hand
    assert hand is not None
    deal(story, hand.hakem, redeal=hand.redeals + 1)


def deal(story: Story, hakem: int, redeal: int = 0) -> None:
    """Shuffle, deal what is dealt before the call, and ask the hakem for the trump."""
    room = story.room
    assert room.match is not None
    hand_no = room.match.hand_no + (0 if redeal else 1)
    first = room.match.hand_no == 0
    seeds = room.seeds if first or redeal else room.seat_seeds()
    stream = fair.Stream(_key(room, "deal", seeds, hand_no=hand_no, redeal_no=redeal))
    deck = fair.shuffle(stream, matches.deck(room.options))
    story.tell(e.HandBegan(hakem, matches.dealer_of(hakem), deck, redeal))
    story.tell(e.Dealt(rest=False))
    begin_turn(story, hakem, "choose_trump")


def _key(
    room: Room,
    purpose: fair.Purpose,
    seeds: tuple[str, ...],
    *,
    hand_no: int,
    redeal_no: int = 0,
) -> bytes:
    return fair.key(
        room.secret(),
        room=room.code,
        hand_no=hand_no,
        redeal_no=redeal_no,
        purpose=purpose,
        seeds=seeds,
    )


def end_hand(story: Story) -> None:
    """Score the hand; the match ends with it, or the next hand follows after a pause."""
    room = story.room
    assert room.hand is not None and room.match is not None
    result = hands.result(room.hand, room.options)
    hakem = matches.next_hakem(room.options, room.hand, result)
    story.tell(e.HandEnded(story.now + room.options.pause_seconds, hakem))
    story.keep(finished(story.room))
    match = story.room.match
    assert match is not None
    if match.winner is not None:
        story.tell(e.MatchEnded(match.winner))
        relieve_host(story)
        story.count("games_completed")
        story.count("game_seconds", story.now - room.began)
