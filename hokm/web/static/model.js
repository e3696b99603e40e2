// What this player knows of the table: a pure fold of what the server sent.
//
// The model is the protocol's `state` as it came, with `turn.ends_at` (ms of the caller's clock), and
// what only events tell: `autos` (seats of the table's cards that a bot or the clock played),
// `proof`, `promised` (the commitment that the hand's proof must match), `drawn`, and `chat`.

export const teamOf = (seat) => seat % 2;

const EMPTY_SEATS = [null, null, null, null];
const CHAT_LINES = 100;

export function emptyModel(code) {
  return {
    code, joined: false, seq: 0, phase: "lobby", options: {}, seats: EMPTY_SEATS, host: null,
    seat: null, match_no: 0, hand_no: 0, score: [0, 0], tricks: [0, 0], hakem: null, dealer: null,
    trump: null, hand: [], legal: [], counts: [0, 0, 0, 0], table: null, last_trick: null,
    turn: null, may_redeal: false, commitment: "", result: null, winner: null, paused: false,
    autos: [], proof: null, promised: "", drawn: null, chat: [], said: 0,
  };
}

// Fold a message in. Returns the model itself where the message says nothing about the table.
// A gap in `seq` is the caller's business (`follows`).
export function reduce(model, message, now) {
  const change = CHANGES[message.type];
  if (!change) return model;
  const next = { ...model, ...change(model, message, now) };
  if (message.seq !== undefined) next.seq = message.seq;
  return next;
}

// Whether the message is the next one of the table's story: "next", "old" or "gap".
export function follows(model, message) {
  if (message.seq === undefined || message.seq === model.seq + 1) return "next";
  return message.seq <= model.seq ? "old" : "gap";
}

function whole(model, { state }, now) {
  const sameHand = state.match_no === model.match_no && state.hand_no === model.hand_no;
  return {
    ...state,
    joined: true,
    turn: state.turn && { ...state.turn, ends_at: now + state.turn.seconds_left * 1000 },
    autos: [],
    proof: sameHand ? model.proof : null,
    promised: sameHand && model.promised ? model.promised : promise(state),
    drawn: sameHand ? model.drawn : null,
  };
}

// After a hand the state's commitment is the next hand's, so it promises nothing about this one.
const promise = (state) => (["call", "play"].includes(state.phase) ? state.commitment : "");

function withSeat(model, number, seat) {
  return { seats: model.seats.map((old, index) => (index === number ? seat : old)) };
}

function changeSeat(model, number, changes) {
  const seat = model.seats[number];
  return seat ? withSeat(model, number, { ...seat, ...changes }) : {};
}

function swapSeats(model, one, other) {
  const place = { [one]: other, [other]: one };
  const moved = (seat) => (seat === null ? null : place[seat] ?? seat);
  return {
    seats: model.seats.map((_, index) => model.seats[moved(index)]),
    seat: moved(model.seat),
    host: moved(model.host),
  };
}

const unready = (seats) =>
  seats.map((seat) => (seat && seat.kind === "human" ? { ...seat, ready: false } : seat));

function left(model, { seat, reason }) {
  if (reason !== "away") return withSeat(model, seat, null);
  return changeSeat(model, seat, { connected: false, ready: false });
}

function joined(model, { seat, name, back }) {
  if (back) return changeSeat(model, seat, { connected: true, stand_in: false });
  return withSeat(model, seat, { name, kind: "human", connected: true });
}

function botJoined(model, { seat, name, level, stand_in }) {
  if (stand_in) return changeSeat(model, seat, { stand_in: true });
  return withSeat(model, seat, { name, kind: "bot", level, ready: true });
}

function handStarted(model, message) {
  return {
    phase: "call", hand_no: message.hand_no, hakem: message.hakem, dealer: message.dealer,
    commitment: message.commitment, promised: message.commitment, tricks: [0, 0], trump: null,
    hand: [], legal: [], counts: [0, 0, 0, 0], table: null, last_trick: null, turn: null,
    result: null, proof: null, may_redeal: false, autos: [], seats: unready(model.seats),
  };
}

function turn(model, message, now) {
  const { seat, action, seconds_left } = message;
  return {
    turn: { seat, action, seconds_left, ends_at: now + seconds_left * 1000 },
    legal: action === "play" ? message.legal ?? [] : [],
    may_redeal: message.may_redeal ?? false,
  };
}

function cardPlayed(model, { seat, card, auto }) {
  const table = model.table ?? { leader: seat, cards: [] };
  const mine = seat === model.seat;
  return {
    table: { ...table, cards: [...table.cards, card], winner: null },
    autos: auto ? [...model.autos, seat] : model.autos,
    counts: model.counts.map((count, index) => count - (index === seat ? 1 : 0)),
    hand: mine ? model.hand.filter((held) => held !== card) : model.hand,
    legal: mine ? [] : model.legal,
    turn: null,
  };
}

function trickWon(model, { seat, tricks }) {
  return {
    last_trick: { ...model.table, winner: seat },
    table: { leader: seat, cards: [], winner: null },
    tricks,
    autos: [],
  };
}

function handOver(model, { winner, tricks, points, kot, score, next_hakem, proof }) {
  return {
    phase: "hand_over", result: { winner, tricks, points, kot, score, next_hakem }, score, tricks,
    proof, turn: null, legal: [],
  };
}

const CHANGES = {
  welcome: (model, message, now) => ({ ...whole(model, message, now), code: message.room_code }),
  state: whole,
  player_joined: joined,
  player_left: left,
  bot_joined: botJoined,
  seat_changed: (model, { seat, to }) => swapSeats(model, seat, to),
  player_ready: (model, { seat, ready }) => changeSeat(model, seat, { ready }),
  host_changed: (_, { seat }) => ({ host: seat }),
  match_started: (model, { match_no, commitment }) => ({
    match_no, commitment, promised: commitment, score: [0, 0], winner: null, result: null, proof: null, hand_no: 0,
    seats: unready(model.seats),
  }),
  hakem_drawn: (model, message) => ({
    ...(message.swap ? swapSeats(model, ...message.swap) : {}),
    drawn: { hakem: message.hakem, start: message.start_seat, cards: message.cards },
  }),
  hand_started: handStarted,
  cards_dealt: (model, { cards, counts }) => ({ counts, hand: [...model.hand, ...cards] }),
  turn,
  trump_chosen: (model, { seat, suit }) => ({
    phase: "play", trump: suit, turn: null, may_redeal: false,
    table: { leader: seat, cards: [], winner: null },
  }),
  card_played: cardPlayed,
  trick_won: trickWon,
  hand_over: handOver,
  match_over: (_, { winner, score }) => ({ phase: "match_over", winner, score, turn: null }),
  said: (model, { seat, name, text }) => ({
    chat: [...model.chat, { seat, name, text }].slice(-CHAT_LINES),
    said: model.said + 1,
  }),
  notice: (model, { kind }) => ({ paused: kind === "paused" }),
};
