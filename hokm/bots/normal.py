"""The normal bot: the rules of good play, by what the view shows. The same view, the same card."""

from __future__ import annotations

from collections.abc import Iterable

from hokm.bots.action import Action, Call, Play, RandomSource, Refuse
from hokm.bots.reading import Reading
from hokm.bots.trump import best_trump, is_poor
from hokm.game.cards import SUIT_MASKS, Card, Mask, iterate, rank_of, suit_of
from hokm.game.view import SeatView


def choose(view: SeatView, random: RandomSource) -> Action:
    """Decide for the seat of *view*."""
    if view.phase == "call":
        if view.may_refuse and is_poor(view.hand):
            return Refuse()
        return Call(best_trump(view.hand))
    if view.legal.bit_count() == 1:
        return Play(view.legal.bit_length() - 1)
    reading = Reading(view)
    return Play(_follow(reading) if view.trick else _lead(reading))


# --- to lead ------------------------------------------------------------------------------


def _lead(reading: Reading) -> Card:
    hand = reading.view.hand
    trumps = hand & reading.trumps
    side = hand & ~reading.trumps
    ours = reading.view.hakem % 2 == reading.seat % 2
    danger = reading.rival_trumps
    masters = [card for card in iterate(side) if reading.is_master(card)]
    if ours and trumps.bit_count() >= 3 and danger:
        top = _highest(trumps)
        if reading.is_master(top):
            return top  # draw their trumps, so that side cards become good
    if masters:
        safe = [card for card in masters if _is_safe(reading, card)]
        if safe:
            return max(safe, key=lambda card: _length_left(reading, card))
        if not danger:
            return masters[0]
    if ours and trumps.bit_count() >= 4 and danger:
        return _highest(trumps) if reading.is_master(_highest(trumps)) else _lowest(trumps)
    if trumps and not danger and not side:
        return _highest(trumps)
    return _probe(reading, side or hand)


def _is_safe(reading: Reading, card: Card) -> bool:
    """Say whether no rival is likely to trump the suit of *card*."""
    suit = suit_of(card)
    return not any(
        reading.may_hold(rival) & reading.trumps and reading.can_lack(rival, suit)
        for rival in reading.rivals
    )


def _length_left(reading: Reading, card: Card) -> int:
    return (reading.unseen & SUIT_MASKS[suit_of(card)]).bit_count()


def _probe(reading: Reading, cards: Mask) -> Card:
    """Lead low: a suit that the partner can trump, else a short one whose honours stay home."""

    def worth(card: Card) -> tuple[bool, int, int]:
        suit = suit_of(card)
        own = reading.view.hand & SUIT_MASKS[suit]
        partner_void = bool(reading.view.voids[reading.partner] >> suit & 1)
        ruffs = partner_void and bool(reading.may_hold(reading.partner) & reading.trumps)
        return (not ruffs, own.bit_count() + _top_cards(own), rank_of(card))

    return min(iterate(cards), key=worth)


def _top_cards(cards: Mask) -> int:
    """Count what is worth guarding: king, queen and jack."""
    return sum(1 for card in iterate(cards) if 9 <= rank_of(card) <= 11)


# --- to follow ----------------------------------------------------------------------------


def _follow(reading: Reading) -> Card:
    view = reading.view
    led = suit_of(view.trick[0])
    winner, best = reading.winning()
    winning = [card for card in iterate(view.legal) if reading.beats(card, best)]
    rivals = [seat for seat in reading.to_come() if seat in reading.rivals]
    if winner == reading.partner:
        sure = not any(reading.may_be_beaten(best, led, by) for by in rivals)
        if sure or not winning:
            return _throw(reading)
        if not rivals or suit_of(winning[0]) == reading.trump != led:
            return _throw(reading) if not _worth_ruffing(reading, best, rivals) else winning[0]
    if not winning:
        return _throw(reading)
    if not rivals:
        return _cheapest(reading, winning)
    return _contend(reading, winning, led, rivals)


def _worth_ruffing(reading: Reading, best: Card, rivals: Iterable[int]) -> bool:
    """Say whether to trump a partner's card: only if it will probably be beaten."""
    led = suit_of(reading.view.trick[0])
    return rank_of(best) < 10 and any(reading.may_be_beaten(best, led, by) for by in rivals)


def _contend(reading: Reading, winning: list[Card], led: int, rivals: list[int]) -> Card:
    """Choose against rivals who are still to play."""
    holds = [
        card for card in winning if not any(reading.may_be_beaten(card, led, by) for by in rivals)
    ]
    if holds:
        return _cheapest(reading, holds)
    if suit_of(winning[0]) == reading.trump != led:
        return min(winning)  # a ruff that may be overruffed still costs them a trump
    if len(reading.view.trick) >= 2:
        return max(winning)  # third hand high
    return _throw(reading)  # second hand low


def _cheapest(reading: Reading, cards: Iterable[Card]) -> Card:
    """Return the lowest card, side suits before trumps."""
    return min(cards, key=lambda card: (suit_of(card) == reading.trump, rank_of(card)))


def _throw(reading: Reading) -> Card:
    """Give away what is worth least: no trump, no master, no guard, from the shortest suit."""
    hand = reading.view.hand

    def worth(card: Card) -> tuple[bool, bool, int, int]:
        own = hand & SUIT_MASKS[suit_of(card)]
        guards = _top_cards(own) > 0 and own.bit_count() <= 2 and rank_of(card) < 9
        return (
            suit_of(card) == reading.trump,
            reading.is_master(card),
            rank_of(card) + (4 if guards else 0),
            own.bit_count(),
        )

    return min(iterate(reading.view.legal), key=worth)


def _highest(cards: Mask) -> Card:
    return cards.bit_length() - 1


def _lowest(cards: Mask) -> Card:
    return (cards & -cards).bit_length() - 1
