"""A finished hand as the history keeps it, and the proof of its deal."""

from __future__ import annotations

from hokm import wire
from hokm.game import fair
from hokm.game.cards import NAMES, SUITS
from hokm.game.proof import Proof
from hokm.room.state import Room


def proof(room: Room) -> Proof:
    """Return the proof of the hand of *room*, which has just ended; it reveals the secret."""
    assert room.hand is not None and room.match is not None
    first = room.match.hand_no == 1
    decks = (*room.refused, room.hand.deck)
    secret = room.revealed()
    return Proof(
        algorithm=fair.ALGORITHM,
        room=room.code,
        hand_no=room.match.hand_no,
        secret=secret.hex(),
        commitment=fair.commitment(secret),
        seeds=room.seeds,
        hakem=room.hand.hakem,
        decks=tuple(tuple(NAMES[card] for card in deck) for deck in decks),
        draw=tuple(NAMES[card] for card in room.draw_cards) if first else (),
        start_seat=room.start_seat if first else None,
    )


def finished(room: Room) -> wire.FinishedHand:
    """Return the record of the hand that has just ended."""
    hand, match, result = room.hand, room.match, room.result
    assert hand is not None and match is not None and result is not None
    assert hand.trump is not None
    return wire.FinishedHand(
        match_no=room.match_no,
        hand_no=match.hand_no,
        names=room.names,
        hakem=hand.hakem,
        dealer=hand.dealer,
        deck=tuple(NAMES[card] for card in hand.deck),
        trump=SUITS[hand.trump],
        plays=tuple(
            wire.PlayedTrick(t.leader, tuple(NAMES[c] for c in t.cards), t.winner)
            for t in hand.past
        ),
        result=result,
        proof=proof(room),
    )
