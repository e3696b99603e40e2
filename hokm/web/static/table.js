// The table: players, score, trump, the trick and whose turn it is. Its geometry is always left to
// right: this player at the bottom, the next seat on the right, the partner opposite.

import { back, face, namedFace } from "./cards.js";
import { calm, el, find, icon, setAttribute, setText, svg } from "./dom.js";
import { teamOf } from "./model.js";
import { cardName, num, suitName, t } from "./texts.js";

const PLACES = ["south", "east", "north", "west"];
const SWEEP_AFTER_MS = 900; // a finished trick stays to be read
const SWEEP_MS = 350;
const CALL_TURNS = 2; // the call takes the time of two turns, as the server has it
const LATE_SECONDS = 10;
const MOST_PIPS = 7;
const RING = 2 * Math.PI * 46;

export const placeOf = (model, seat) => PLACES[(seat - (model.seat ?? 0) + 4) % 4];
export const nameOf = (model, seat) => model.seats[seat]?.name ?? t("emptySeat");
export const teamName = (model, team) => {
  if (model.seat === null) return t(team === 0 ? "teamA" : "teamB");
  return t(teamOf(model.seat) === team ? "us" : "them");
};

export class Table {
  #plates;
  #trick = find("trick");
  #shown = { cards: [], won: false, timer: null };
  #turn = null;

  constructor() {
    this.#plates = Object.fromEntries(PLACES.map((place) => [place, new Plate(place)]));
    find("seats").append(...Object.values(this.#plates).map((plate) => plate.node));
    setInterval(() => this.#tick(), 250);
  }

  render(model) {
    model.seats.forEach((_, seat) => this.#plates[placeOf(model, seat)].render(model, seat));
    this.#turn = model.turn;
    this.#tick();
    renderScore(model);
    renderTrump(model);
    renderLast(model);
    this.#renderTrick(model);
  }

  // Take what is still shown of the last trick away at once: the player goes on.
  clear() {
    if (this.#shown.won) this.#sweep();
  }

  #tick() {
    for (const plate of Object.values(this.#plates)) plate.tick(this.#turn);
  }

  #renderTrick(model) {
    const table = model.table ?? { leader: 0, cards: [] };
    const fresh = table.cards.filter((card) => !this.#shown.cards.includes(card));
    const stale = this.#shown.cards.filter((card) => !table.cards.includes(card));
    if (!table.cards.length && model.last_trick && this.#isShown(model.last_trick)) {
      this.#finish(model);
      return;
    }
    if (stale.length) this.#sweep();
    for (const card of fresh) this.#lay(model, (table.leader + table.cards.indexOf(card)) % 4, card);
  }

  #isShown({ cards }) {
    return this.#shown.cards.length > 0 && this.#shown.cards.every((card) => cards.includes(card));
  }

  #finish(model) {
    const { cards, leader, winner } = model.last_trick;
    const missing = cards.filter((card) => !this.#shown.cards.includes(card));
    for (const card of missing) this.#lay(model, (leader + cards.indexOf(card)) % 4, card);
    if (this.#shown.won) return;
    const winning = cards[(winner - leader + 4) % 4];
    this.#trick.querySelector(`[data-card="${winning}"]`)?.parentNode.classList.add("winning");
    this.#trick.dataset.to = placeOf(model, winner);
    this.#shown.won = true;
    this.#shown.timer = setTimeout(() => this.#sweep(), SWEEP_AFTER_MS);
  }

  #lay(model, seat, card) {
    const place = placeOf(model, seat);
    const marks = model.autos.includes(seat) && model.seats[seat]?.kind === "human";
    const laid = el("div", { class: `laid ${place}` }, namedFace(card));
    if (marks) laid.append(el("span", { class: "auto", title: t("auto") }, icon("i-bot", "line")));
    this.#trick.append(laid);
    this.#shown.cards.push(card);
  }

  #sweep() {
    clearTimeout(this.#shown.timer);
    const to = this.#trick.dataset.to;
    const gone = [...this.#trick.children].filter((node) => !node.classList.contains("swept"));
    for (const node of gone) {
      node.classList.add("swept", `to-${to}`);
      setTimeout(() => node.remove(), calm() ? 0 : SWEEP_MS);
    }
    this.#shown = { cards: [], won: false, timer: null };
  }
}

class Plate {
  #seat = null;
  #turnKey = "";
  #parts;

  constructor(place) {
    const ring = svg("svg", { class: "ring", viewBox: "0 0 100 100", "aria-hidden": "true" });
    this.#parts = {
      ring,
      initial: el("span", { class: "initial", "aria-hidden": "true" }),
      crown: el("span", { class: "crown", role: "img", hidden: true }, icon("i-crown")),
      dealer: el("span", { class: "dealer", role: "img", hidden: true }, "D"),
      name: el("span", { class: "name", dir: "auto" }),
      tag: el("span", { class: "tag", dir: "auto" }),
      clock: el("span", { class: "clock", "aria-hidden": "true" }),
      fan: el("div", { class: "fan", role: "img" }),
    };
    const { initial, crown, dealer, name, tag, clock, fan } = this.#parts;
    const avatar = el("div", { class: "avatar" }, ring, initial, crown, dealer, clock);
    const label = el("div", { class: "label" }, name, tag);
    this.node = el("div", { class: `plate ${place}`, role: "group" }, avatar, label, fan);
  }

  render(model, seat) {
    const player = model.seats[seat];
    const onTurn = model.turn?.seat === seat;
    const { initial, crown, dealer, name, tag } = this.#parts;
    this.#seat = seat;
    this.node.dataset.seat = seat;
    this.node.classList.toggle("on-turn", onTurn);
    this.node.classList.toggle("empty", !player);
    this.node.classList.toggle("away", Boolean(player?.kind === "human" && !player.connected));
    this.node.classList.toggle("ours", model.seat !== null && teamOf(seat) === teamOf(model.seat));
    setText(name, player ? player.name : t("emptySeat"));
    setText(initial, player ? [...player.name][0].toUpperCase() : "");
    crown.hidden = model.hakem !== seat;
    crown.setAttribute("aria-label", t("hakem"));
    dealer.hidden = model.dealer !== seat;
    dealer.title = t("dealer");
    dealer.setAttribute("aria-label", t("dealer"));
    setText(tag, tagOf(model, seat));
    tag.hidden = !tag.textContent;
    this.#renderFan(model, seat);
    this.#renderRing(model, onTurn);
  }

  tick(turn) {
    const { clock } = this.#parts;
    const left = turn?.seat === this.#seat ? Math.max(0, Math.ceil((turn.ends_at - Date.now()) / 1000)) : null;
    clock.hidden = left === null;
    this.node.classList.toggle("late", left !== null && left <= LATE_SECONDS);
    if (left !== null) setText(clock, num(left));
  }

  #renderFan(model, seat) {
    const { fan } = this.#parts;
    const count = seat === model.seat ? 0 : model.counts[seat];
    while (fan.children.length > count) fan.lastChild.remove();
    while (fan.children.length < count) fan.append(back());
    fan.hidden = count === 0;
    fan.dataset.count = num(count);
    fan.setAttribute("aria-label", t("cardsLeft", { name: nameOf(model, seat), n: count }));
  }

  // The ring runs by itself: it starts where the turn's clock stands.
  #renderRing(model, onTurn) {
    const key = onTurn && !model.paused ? `${model.turn.ends_at}` : "";
    if (key === this.#turnKey) return;
    this.#turnKey = key;
    const { ring } = this.#parts;
    ring.replaceChildren();
    if (!key) return;
    const total = model.options.turn_seconds * (model.turn.action === "choose_trump" ? CALL_TURNS : 1);
    const gone = total - (model.turn.ends_at - Date.now()) / 1000;
    const circle = svg("circle", { cx: 50, cy: 50, r: 46, "stroke-dasharray": RING });
    circle.style.animationDuration = `${total}s`;
    circle.style.animationDelay = `${-Math.max(0, gone)}s`;
    ring.append(circle);
  }
}

function tagOf(model, seat) {
  const player = model.seats[seat];
  if (!player) return "";
  if (player.stand_in) return `${t("away")} · ${t("bot")}`;
  if (player.kind === "bot") return t("bot");
  if (!player.connected) return t("away");
  return seat === model.seat ? t("you") : "";
}

function renderScore(model) {
  const target = model.options.target ?? 0;
  const mine = model.seat === null ? 0 : teamOf(model.seat);
  find("score").replaceChildren(
    ...[mine, 1 - mine].map((team) => {
      const values = { team: teamName(model, team), score: model.score[team], target, tricks: model.tricks[team] };
      return el(
        "div",
        { class: `team ${team === mine ? "ours" : "theirs"}`, role: "img", "aria-label": t("scoreOf", values) },
        el("span", { class: "team-name", dir: "auto" }, values.team),
        pips(model.score[team], target),
        el("span", { class: "tricks", title: t("tricks") }, num(model.tricks[team])),
      );
    }),
  );
}

function pips(score, target) {
  if (target > MOST_PIPS) return el("span", { class: "points" }, `${num(score)} / ${num(target)}`);
  const marks = Array.from({ length: target }, (_, index) => el("i", { class: index < score ? "on" : "" }));
  return el("span", { class: "pips" }, marks);
}

function renderTrump(model) {
  const node = find("trump");
  node.hidden = model.hakem === null || ["lobby", "match_over"].includes(model.phase);
  if (node.hidden) return;
  const sign = model.trump
    ? el("span", { class: `suit ${model.trump}`, role: "img", "aria-label": suitName(model.trump) }, svg("svg", { class: "icon", viewBox: "0 0 24 24" }, svg("use", { href: `#suit-${model.trump}` })))
    : el("span", { class: "suit none", role: "img", "aria-label": t("noTrump") }, "?");
  const words = el(
    "span",
    { class: "words" },
    el("span", { class: "what" }, t("trump")),
    el("span", { class: "who", dir: "auto" }, icon("i-crown"), el("bdi", {}, nameOf(model, model.hakem))),
  );
  node.replaceChildren(sign, words);
}

function renderLast(model) {
  const node = find("last");
  const trick = ["play", "hand_over"].includes(model.phase) ? model.last_trick : null;
  node.hidden = !trick;
  const key = trick ? `${trick.cards.join()} ${model.seat} ${document.documentElement.lang}` : "";
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  node.replaceChildren();
  if (!trick) return;
  const words = trick.cards.map((card, index) =>
    t("plays", { name: nameOf(model, (trick.leader + index) % 4), card: cardName(card) }));
  const open = el("button", { class: "tool", "aria-expanded": "false", "aria-label": t("lastTrick"), title: t("lastTrick") }, icon("i-last", "line"));
  const cards = trick.cards.map((card, index) => {
    const seat = (trick.leader + index) % 4;
    return el("div", { class: `laid ${placeOf(model, seat)} ${seat === trick.winner ? "winning" : ""}` }, face(card));
  });
  const panel = el("div", { class: "last-panel", role: "img", "aria-label": words.join(", ") }, el("span", { class: "what", dir: "auto" }, t("lastTrick")), el("div", { class: "trick small" }, cards));
  open.addEventListener("click", () => {
    setAttribute(open, "aria-expanded", String(node.classList.toggle("open")));
  });
  node.classList.remove("open");
  node.append(open, panel);
}
