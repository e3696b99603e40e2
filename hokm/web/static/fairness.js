// The check of a finished hand's deal, by the browser itself: the method of docs/protocol/fairness.md.
//
// The secret's SHA-256 must be what was promised before the hand; the deck must be the shuffle that
// follows from the secret and all players' seeds; the player's own seed must be among them.

import { DECK } from "./cards.js";

const WORDS = 2 ** 32;
const text = new TextEncoder();

const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hexOf = (buffer) =>
  Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

// Browsers have `crypto.subtle` on https and localhost only.
export const canCheck = () => Boolean(globalThis.crypto?.subtle);

// What holds of a proof: {promise, seed, deal}, each true or false.
export async function check(proof, { promised, seat, seed }) {
  const secret = bytesOf(proof.secret);
  const digest = hexOf(await crypto.subtle.digest("SHA-256", secret));
  const decks = await Promise.all(proof.decks.map((deck, number) => follows(proof, secret, deck, number)));
  return {
    promise: digest === proof.commitment && (!promised || promised === proof.commitment),
    seed: seat === null || !seed || proof.seeds[seatBefore(proof, seat)] === seed,
    deal: proof.algorithm === "hokm-fair-1" && decks.every(Boolean),
  };
}

// Where a player sat when the seeds of the hand were taken: where the draw shows a second ace, its
// owner then changed places with whoever sat opposite the hakem, who had got no more cards.
function seatBefore({ draw = [], hakem }, seat) {
  const [first, second] = draw.flatMap((card, place) => (card[0] === "A" ? [place] : []));
  if (second === undefined) return seat;
  const partner = (hakem + 1 + ((second - first - 1) % 3)) % 4;
  const opposite = (hakem + 2) % 4;
  return { [partner]: opposite, [opposite]: partner }[seat] ?? seat;
}

async function follows(proof, secret, deck, number) {
  const parts = [proof.algorithm, "deal", proof.room, proof.hand_no, number, ...proof.seeds];
  const key = await hmac(secret, text.encode(parts.join("|")));
  return (await shuffled(key)).join() === deck.join();
}

async function hmac(key, data) {
  const imported = await crypto.subtle.importKey(
    "raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"],
  );
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
}

async function* words(key) {
  for (let counter = 0n; ; counter += 1n) {
    const place = new DataView(new ArrayBuffer(8));
    place.setBigUint64(0, counter);
    const block = new DataView((await hmac(key, place.buffer)).buffer);
    for (let offset = 0; offset < block.byteLength; offset += 4) yield block.getUint32(offset);
  }
}

// Fisher-Yates from the last place down; words of a partial round are thrown away.
async function shuffled(key) {
  const deck = [...DECK];
  const stream = words(key);
  for (let last = deck.length - 1; last > 0; last -= 1) {
    const limit = last + 1;
    let word;
    do word = (await stream.next()).value;
    while (word >= WORDS - (WORDS % limit));
    const other = word % limit;
    [deck[last], deck[other]] = [deck[other], deck[last]];
  }
  return deck;
}
