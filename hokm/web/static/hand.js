// The player's own cards: sorted, the legal ones lit, played by click, tap or keyboard.

import { face, sorted, suitOf } from "./cards.js";
import { el, find } from "./dom.js";
import { cardName } from "./texts.js";

const KEYS = { ArrowLeft: -1, ArrowRight: 1 };

export class Hand {
  #root = find("hand");
  #buttons = new Map(); // card -> button, in the order shown
  #sent = null; // the card that waits for the server
  #play;

  // `play(card)` is called with a legal card.
  constructor(play) {
    this.#play = play;
    this.#root.addEventListener("keydown", (event) => this.#move(event));
  }

  render(model) {
    const cards = sorted(model.hand);
    const hadFocus = this.#root.contains(document.activeElement);
    if (!cards.includes(this.#sent)) this.#sent = null;
    for (const [card, button] of this.#buttons) {
      if (!cards.includes(card)) {
        button.remove();
        this.#buttons.delete(card);
      }
    }
    const buttons = cards.map((card) => [card, this.#buttons.get(card) ?? this.#make(card)]);
    this.#buttons = new Map(buttons);
    this.#order(buttons.map(([, button]) => button));
    this.#light(model);
    if (hadFocus && !this.#root.contains(document.activeElement)) this.focus();
  }

  // The server refused it: it may be played again, or another.
  release() {
    this.#sent = null;
  }

  // Put the focus on the first card that may be played.
  focus() {
    const buttons = [...this.#buttons.values()];
    (buttons.find((button) => button.classList.contains("legal")) ?? buttons[0])?.focus();
  }

  get hasFocus() {
    return this.#root.contains(document.activeElement);
  }

  // Nodes that stay in place are not touched: a moved one would lose the focus.
  #order(buttons) {
    buttons.forEach((button, index) => {
      const there = this.#root.children[index];
      if (there !== button) this.#root.insertBefore(button, there ?? null);
    });
  }

  #light(model) {
    const mine = model.turn?.seat === model.seat && model.turn?.action === "play" && !this.#sent;
    const few = model.hand.length <= 5;
    this.#root.classList.toggle("my-turn", mine);
    this.#root.classList.toggle("few", few);
    for (const [card, button] of this.#buttons) {
      const legal = mine && model.legal.includes(card);
      button.classList.toggle("legal", legal);
      button.classList.toggle("illegal", mine && !legal);
      button.classList.toggle("sent", card === this.#sent);
      button.classList.toggle("is-trump", suitOf(card) === model.trump);
      button.setAttribute("aria-disabled", String(!legal));
      button.setAttribute("aria-label", cardName(card));
    }
  }

  #make(card) {
    const choose = () => {
      if (!this.#buttons.get(card)?.classList.contains("legal")) return;
      this.#sent = card;
      this.#play(card);
    };
    return el("button", { class: "slot", type: "button", data: { card }, on: { click: choose } }, face(card));
  }

  #move(event) {
    const buttons = [...this.#buttons.values()];
    const at = buttons.indexOf(document.activeElement);
    const to = { Home: 0, End: buttons.length - 1 }[event.key] ?? at + (KEYS[event.key] ?? NaN);
    if (!buttons[to]) return;
    event.preventDefault();
    buttons[to].focus();
  }
}
