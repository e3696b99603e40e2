// Cards: their names, their order in a hand, and their faces and backs as SVG.

import { svg } from "./dom.js";
import { cardName, rankLabel } from "./texts.js";

export const SUITS = "SHDC";
const RANKS = "23456789TJQKA";
export const DECK = [...SUITS].flatMap((suit) => [...RANKS].map((rank) => rank + suit));
const COLOURS_ALTERNATE = "SHCD";

export const suitOf = (card) => card[1];

// By suit with alternating colours, the highest first. A hand without one black suit puts the other between
// the red ones, and the reverse.
export function sorted(cards) {
  const order = orderOf(new Set(cards.map(suitOf)));
  return [...cards].sort(
    (one, other) =>
      order.indexOf(suitOf(one)) - order.indexOf(suitOf(other)) ||
      RANKS.indexOf(other[0]) - RANKS.indexOf(one[0]),
  );
}

function orderOf(held) {
  if (held.size === 3 && !held.has("S")) return "HCD";
  if (held.size === 3 && !held.has("C")) return "HSD";
  return COLOURS_ALTERNATE;
}

const WIDTH = 100;
const HEIGHT = 140;
const LEFT = 33;
const MIDDLE = 50;
const RIGHT = 67;
// Places of the pips of a number card, on a card of 100 by 140; those below the middle stand on their heads.
const PIPS = {
  2: [[MIDDLE, 30], [MIDDLE, 110]],
  3: [[MIDDLE, 30], [MIDDLE, 70], [MIDDLE, 110]],
  4: [[LEFT, 30], [RIGHT, 30], [LEFT, 110], [RIGHT, 110]],
  5: [[LEFT, 30], [RIGHT, 30], [MIDDLE, 70], [LEFT, 110], [RIGHT, 110]],
  6: [[LEFT, 30], [RIGHT, 30], [LEFT, 70], [RIGHT, 70], [LEFT, 110], [RIGHT, 110]],
  7: [[LEFT, 30], [RIGHT, 30], [MIDDLE, 50], [LEFT, 70], [RIGHT, 70], [LEFT, 110], [RIGHT, 110]],
  8: [[LEFT, 30], [RIGHT, 30], [MIDDLE, 50], [LEFT, 70], [RIGHT, 70], [MIDDLE, 90], [LEFT, 110], [RIGHT, 110]],
  9: [[LEFT, 28], [RIGHT, 28], [LEFT, 56], [RIGHT, 56], [MIDDLE, 70], [LEFT, 84], [RIGHT, 84], [LEFT, 112], [RIGHT, 112]],
  T: [[LEFT, 28], [RIGHT, 28], [MIDDLE, 42], [LEFT, 56], [RIGHT, 56], [LEFT, 84], [RIGHT, 84], [MIDDLE, 98], [LEFT, 112], [RIGHT, 112]],
};

// The face of a card. It is a picture: whoever shows it names it (`aria-label`).
export function face(card) {
  const [rank, suit] = card;
  return svg(
    "svg",
    { class: `card face ${suit}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", "data-card": card },
    svg("rect", { class: "paper", x: 0.5, y: 0.5, width: WIDTH - 1, height: HEIGHT - 1, rx: 8 }),
    corner(rank, suit),
    svg("g", { transform: `rotate(180 ${WIDTH / 2} ${HEIGHT / 2})` }, corner(rank, suit)),
    middle(rank, suit),
  );
}

function corner(rank, suit) {
  return [
    svg("text", { class: rank === "T" ? "index ten" : "index", x: 15, y: 27, "text-anchor": "middle" }, rankLabel(rank)),
    sign(suit, 15, 40, 18),
  ];
}

function middle(rank, suit) {
  if (rank === "A") return sign(suit, MIDDLE, 70, 58);
  if (PIPS[rank]) return PIPS[rank].map(([x, y]) => sign(suit, x, y, 21, y > 70));
  return court(rank, suit);
}

function sign(suit, x, y, size, upsideDown = false) {
  const place = `translate(${x} ${y})${upsideDown ? " rotate(180)" : ""} scale(${size / 24}) translate(-12 -12)`;
  return svg("use", { href: `#suit-${suit}`, transform: place, width: 24, height: 24 });
}

function court(rank, suit) {
  const half = [
    svg("use", { href: `#court-${rank}`, x: 32, y: 23, width: 36, height: 36 }),
    sign(suit, 66, 61, 12),
  ];
  return [
    svg("rect", { class: "frame", x: 26, y: 18, width: 48, height: 104, rx: 4 }),
    svg("path", { class: "frame", d: "M26 78 L74 62" }),
    svg("g", {}, half),
    svg("g", { transform: "rotate(180 50 70)" }, half.map((node) => node.cloneNode(true))),
  ];
}

// A face that stands for itself, with its name for screen readers.
export function namedFace(card) {
  const node = face(card);
  node.removeAttribute("aria-hidden");
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", cardName(card));
  return node;
}

export function back() {
  return svg(
    "svg",
    { class: "card back", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
    svg("use", { href: "#card-back", width: WIDTH, height: HEIGHT }),
  );
}
