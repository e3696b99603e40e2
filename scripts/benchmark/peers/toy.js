// The toy rules, as every peer plays them: right seat, right number, has the card, follows suit.
'use strict';

const RANKS = '23456789TJQKA';
const SUITS = 'SHDC';

class Room {
  constructor() {
    this.players = [];
    this.seq = 0;
    this.turn = 0;
    this.deals = 0;
    this.tricks = [0, 0];
    this.deal();
  }

  deal() {
    this.hands = [[], [], [], []];
    for (let card = 0; card < 52; card++) {
      this.hands[(card + this.deals) % 4].push(RANKS[card % 13] + SUITS[Math.floor(card / 13)]);
    }
    this.deals += 1;
    this.trick = [];
  }

  // Return what the player of the turn may play.
  legal() {
    const hand = this.hands[this.turn];
    if (this.trick.length === 0) return hand;
    const suit = this.trick[0][1];
    const following = hand.filter((card) => card[1] === suit);
    return following.length ? following : hand;
  }

  // Return what a seat is told at the beginning.
  dealt(seat) {
    const message = { type: 'dealt', seq: this.seq, seat, turn: this.turn };
    if (seat === this.turn) message.legal = this.legal();
    return message;
  }

  // Return what all are told of a play, or null where it is against the rules.
  play(seat, message) {
    if (seat !== this.turn || message.seat !== seat || message.seq !== this.seq) return null;
    const hand = this.hands[seat];
    const at = hand.indexOf(message.card);
    if (at < 0 || !this.legal().includes(message.card)) return null;
    hand.splice(at, 1);
    this.trick.push(message.card);
    this.seq += 1;
    this.turn = (seat + 1) % 4;
    const told = {
      type: 'card_played',
      seq: this.seq,
      id: message.id,
      seat,
      card: message.card,
      turn: this.turn,
      trick: this.trick,
      tricks: this.tricks,
      counts: this.hands.map((cards) => cards.length),
    };
    if (this.trick.length === 4) {
      this.tricks[seat % 2] += 1;
      this.trick = [];
      if (hand.length === 0) this.deal();
    }
    return told;
  }
}

const rooms = new Map();

// Return the room of that code; it is made where there is none.
function roomOf(code) {
  let room = rooms.get(code);
  if (room === undefined) {
    room = new Room();
    rooms.set(code, room);
  }
  return room;
}

module.exports = { Room, roomOf };
