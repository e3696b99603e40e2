// What the home page shows of others: the search for a table, and the tables that anybody may join.

import { el, setText } from "./dom.js";
import { t } from "./texts.js";

const EVERY_MS = 4000;
const SEATS = 4;

// The panel of a search. `show({people, seconds})` and `wait()` tell how it stands.
export class Waiting {
  #places = Array.from({ length: SEATS }, () => el("span", { class: "seat-dot" }));
  #count = el("p", { class: "count", role: "status" });
  #hint = el("p", { class: "hint" });
  #timer = null;

  constructor(cancel) {
    this.node = el(
      "div",
      { class: "panel entry searching" },
      el("h2", {}, t("searching")),
      el("div", { class: "seat-dots", "aria-hidden": "true" }, this.#places),
      this.#count,
      this.#hint,
      el("button", { class: "button", type: "button", on: { click: cancel } }, t("cancel")),
    );
    this.wait();
  }

  wait() {
    this.stop();
    setText(this.#count, t("connecting"));
    setText(this.#hint, "");
  }

  show({ people, seconds }) {
    this.stop();
    this.#places.forEach((place, number) => place.classList.toggle("taken", number < people));
    setText(this.#count, t(people === 1 ? "onlyYou" : "playersWait", { n: people }));
    const end = Date.now() + 1000 * seconds;
    const tick = () => setText(this.#hint, t("botsIn", { n: Math.max(0, Math.ceil((end - Date.now()) / 1000)) }));
    tick();
    this.#timer = setInterval(tick, 500);
  }

  stop() {
    clearInterval(this.#timer);
  }
}

// The list of public tables, fresh while it is on the page. `open(code)` is called for the chosen one.
export class PublicTables {
  #list = el("ul", { class: "tables" });
  #drawn = "";

  constructor(open) {
    this.open = open;
    this.node = el("div", { class: "public", hidden: true }, el("h3", {}, t("publicTables")), this.#list);
    this.#look();
  }

  async #look() {
    try {
      const answer = await fetch("/api/tables");
      if (answer.ok) this.#draw((await answer.json()).tables);
    } catch {
      // the next look may succeed
    }
    setTimeout(() => this.node.isConnected && this.#look(), EVERY_MS);
  }

  #draw(tables) {
    const text = JSON.stringify(tables);
    if (text === this.#drawn) return;
    this.#drawn = text;
    this.node.hidden = !tables.length;
    this.#list.replaceChildren(...tables.map((table) => this.#row(table)));
  }

  #row({ room_code: code, host, free, playing, target }) {
    const state = free ? t("freeSeats", { n: free }) : t(playing ? "inPlay" : "full");
    const button = el("button", { class: "button small", type: "button", on: { click: () => this.open(code) } }, t(free ? "join" : "watch"));
    return el(
      "li",
      { data: { code } },
      el("span", { class: "who", dir: "auto" }, host || code),
      el("span", { class: "state" }, `${state} · ${t("toPoints", { n: target })}`),
      button,
    );
  }
}
