// The middle of the table: the trump chooser, and short news such as the first ace.

import { face, SUITS } from "./cards.js";
import { el, find, svg } from "./dom.js";
import { nameOf } from "./table.js";
import { suitName, t } from "./texts.js";

const NEWS_MS = 3200;

export class Centre {
  #root = find("centre");
  #key = "";
  #send;
  #news = null;
  #timer = null;

  constructor(send) {
    this.#send = send;
  }

  render(model) {
    const calling = model.turn?.action === "choose_trump";
    const mine = calling && model.turn.seat === model.seat;
    const news = mine ? null : this.#news;
    const key = [calling, mine, model.may_redeal, news, document.documentElement.lang, model.turn?.seat].join();
    if (key === this.#key) return;
    this.#key = key;
    if (mine) this.#root.replaceChildren(this.#chooser(model));
    else if (news) this.#root.replaceChildren(newsCard(model, news));
    else if (calling) this.#root.replaceChildren(el("p", { class: "news", dir: "auto" }, t("choosing", { name: nameOf(model, model.turn.seat) })));
    else this.#root.replaceChildren();
    if (mine) this.#root.querySelector(".suit-button").focus({ preventScroll: true });
  }

  // Tell for a moment how the hakem was found.
  tell(model, drawn, again) {
    clearTimeout(this.#timer);
    this.#news = drawn;
    this.#timer = setTimeout(() => {
      this.#news = null;
      again();
    }, NEWS_MS);
    this.render(model);
  }

  #chooser(model) {
    const buttons = [...SUITS].map((suit) =>
      el(
        "button",
        { class: `suit-button ${suit}`, type: "button", data: { suit }, "aria-label": suitName(suit), on: { click: () => this.#send({ type: "choose_trump", suit }) } },
        svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("use", { href: `#suit-${suit}` })),
        el("span", {}, suitName(suit)),
      ),
    );
    const redeal = el("button", { class: "button small", type: "button", on: { click: () => this.#send({ type: "redeal" }) } }, t("redeal"));
    return el(
      "div",
      { class: "call", role: "group", "aria-label": t("chooseTrump") },
      el("h2", { dir: "auto" }, t("chooseTrump")),
      el("p", { dir: "auto" }, t("chooseHint")),
      el("div", { class: "suit-buttons" }, buttons),
      model.may_redeal ? redeal : null,
    );
  }
}

function newsCard(model, { hakem, cards }) {
  const ace = cards.find((card) => card[0] === "A");
  const text = t(ace ? "firstAce" : "byDraw", { name: nameOf(model, hakem) });
  return el("div", { class: "news" }, ace ? face(ace) : null, el("p", { dir: "auto" }, text));
}
