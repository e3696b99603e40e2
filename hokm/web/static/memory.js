// The seats that this browser has: what opens each again, and which tab sits on which.
//
// A seat's token is kept in localStorage under the room's code and a slot of its own; a tab keeps
// the name of its slot in sessionStorage. So a reload finds its seat, a seat taken over by another
// tab can be taken back (the token has changed meanwhile), and two tabs can be two players.

const DAYS_KEPT = 8; // the server forgets a table after seven
const ANSWER_MS = 150; // other tabs of this browser answer within a few

class Shelf {
  #storage;
  #spare = new Map(); // where the browser refuses storage

  constructor(storage) {
    try {
      this.#storage = window[storage];
      this.#storage.length; // the access itself may throw
    } catch {
      this.#storage = null;
    }
  }

  get(key) {
    const text = this.#spare.get(key) ?? this.#storage?.getItem(key) ?? null;
    try {
      return text === null ? null : JSON.parse(text);
    } catch {
      return null;
    }
  }

  set(key, value) {
    const text = JSON.stringify(value);
    try {
      this.#storage.setItem(key, text);
    } catch {
      this.#spare.set(key, text);
    }
  }

  remove(key) {
    this.#spare.delete(key);
    this.#storage?.removeItem(key);
  }

  keys() {
    return [...new Set([...this.#spare.keys(), ...Object.keys(this.#storage ?? {})])];
  }
}

const all = new Shelf("localStorage");
const here = new Shelf("sessionStorage");
const channel = "BroadcastChannel" in window ? new BroadcastChannel("hokm") : null;
let held = null; // {code, slot} of the seat that this tab plays on

const keyOf = (code, slot) => `hokm.seat.${code}.${slot}`;

// `seat`: {token, id, name}; id is the last command id used.
export function saveSeat(code, slot, seat) {
  all.set(keyOf(code, slot), { ...seat, at: Date.now() });
}

export const savedSeat = (code, slot) => all.get(keyOf(code, slot));

export function forgetSeat(code, slot) {
  all.remove(keyOf(code, slot));
  if (here.get(`hokm.slot.${code}`) === slot) here.remove(`hokm.slot.${code}`);
}

// All seats of this browser at a table, latest first: [{slot, token, id, name}].
export function savedSeats(code) {
  const start = keyOf(code, "");
  return all
    .keys()
    .filter((key) => key.startsWith(start))
    .map((key) => ({ slot: key.slice(start.length), ...all.get(key) }))
    .sort((one, other) => other.at - one.at);
}

export function newSlot() {
  return randomHex(4);
}

export function slotHere(code) {
  const slot = here.get(`hokm.slot.${code}`);
  return slot && savedSeat(code, slot) ? slot : null;
}

// Say that this tab plays on the slot, or (null) on none any more.
export function hold(code, slot) {
  held = slot && { code, slot };
  if (slot) here.set(`hokm.slot.${code}`, slot);
}

// The slots of a table that other tabs play on.
export async function heldElsewhere(code) {
  if (!channel) return new Set();
  const slots = new Set();
  const listen = ({ data }) => data.held?.code === code && slots.add(data.held.slot);
  channel.addEventListener("message", listen);
  channel.postMessage({ ask: code });
  await new Promise((done) => setTimeout(done, ANSWER_MS));
  channel.removeEventListener("message", listen);
  return slots;
}

channel?.addEventListener("message", ({ data }) => {
  if (held && data.ask === held.code) channel.postMessage({ held });
});

// What this browser is counted by; see visit.js.
export function guest() {
  const id = all.get("hokm.guest") ?? randomHex(16);
  all.set("hokm.guest", id);
  return id;
}

export function randomHex(bytes) {
  const values = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(values, (value) => value.toString(16).padStart(2, "0")).join("");
}

function forgetOld() {
  for (const key of all.keys().filter((name) => name.startsWith("hokm.seat."))) {
    if (!(all.get(key)?.at > Date.now() - DAYS_KEPT * 86_400_000)) all.remove(key);
  }
}

forgetOld();
