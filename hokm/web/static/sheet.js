// The sheet over the table: the result of a hand or match, the rules, questions.

import { el, find, icon } from "./dom.js";
import { canCheck, check } from "./fairness.js";
import { teamOf } from "./model.js";
import { nameOf, teamName } from "./table.js";
import { num, t } from "./texts.js";

export class Sheet {
  #dialog = find("sheet");
  #onClose = null;
  kind = null;

  constructor() {
    this.#dialog.addEventListener("close", () => {
      this.kind = null;
      this.#onClose?.();
    });
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.close();
    });
  }

  open(kind, content, onClose = null) {
    this.#onClose = null;
    if (this.#dialog.open) this.#dialog.close();
    this.#onClose = onClose;
    this.kind = kind;
    this.#dialog.className = `sheet ${kind}`;
    const close = el("button", { class: "tool close", type: "button", "aria-label": t("close"), on: { click: () => this.close() } }, icon("i-close", "line"));
    this.#dialog.replaceChildren(close, ...content);
    this.#dialog.showModal();
    this.#dialog.querySelector("[data-first]")?.focus();
  }

  close() {
    if (this.#dialog.open) this.#dialog.close();
  }
}

export const button = (text, click, style = "") =>
  el("button", { class: `button ${style}`, type: "button", on: { click } }, text);

// The result of the hand or match in `model`. `send` is given the commands, `leave` is called to leave.
export function resultContent(model, { send, close, leave, seed }) {
  const over = model.phase === "match_over";
  return [
    el("h2", {}, title(model, over ? "Match" : "Hand", over ? model.winner : model.result.winner)),
    model.result ? kotBanner(model.result) : null,
    model.result ? scores(model) : null,
    over || !model.result ? null : el("p", { class: "next" }, icon("i-crown"), " ", t("nextHakem", { name: nameOf(model, model.result.next_hakem) })),
    model.proof ? fairness(model, seed) : null,
    buttons(model, over, { send, close, leave }),
  ].filter(Boolean);
}

function title(model, what, winner) {
  if (model.seat === null) return t(`teamWon${what}`, { team: teamName(model, winner) });
  return t(`you${teamOf(model.seat) === winner ? "Won" : "Lost"}${what}`);
}

function kotBanner({ kot, points }) {
  if (kot === "none") return null;
  return el("div", { class: "kot" }, el("strong", {}, t(kot)), el("span", {}, t(`${kot}Why`, { n: points })));
}

function scores(model) {
  const mine = model.seat === null ? 0 : teamOf(model.seat);
  const { winner, points, tricks, score } = model.result;
  const row = (team) =>
    el(
      "tr",
      { class: team === winner ? "won" : "" },
      el("th", { scope: "row" }, teamName(model, team), el("small", { dir: "auto" }, [team, team + 2].map((seat) => nameOf(model, seat)).join(" · "))),
      el("td", {}, num(tricks[team])),
      el("td", {}, el("b", {}, num(score[team])), team === winner ? el("span", { class: "plus" }, `+${num(points)}`) : null),
    );
  return el(
    "table",
    { class: "scores" },
    el("thead", {}, el("tr", {}, el("th"), el("th", { scope: "col" }, t("tricks")), el("th", { scope: "col" }, t("score")))),
    el("tbody", {}, row(mine), row(1 - mine)),
  );
}

function buttons(model, over, { send, close, leave }) {
  const row = el("div", { class: "row" });
  const go = (text, command) => {
    const node = button(text, () => {
      node.disabled = true;
      node.textContent = t("continued");
      send(command);
      if (over) close();
    }, "primary");
    node.dataset.first = "";
    row.append(node);
  };
  if (model.seat === null) row.append(button(t("close"), close));
  else if (over) go(t("rematch"), model.host !== model.seat ? { type: "ready" } : model.seats.every(Boolean) ? { type: "start" } : { type: "start", fill: true });
  else go(t("continue"), { type: "ready" });
  if (over) row.append(button(t("leave"), leave));
  return row;
}

function fairness(model, seed) {
  const list = el("ul", { class: "checks" }, el("li", {}, t(canCheck() ? "fairCheck" : "fairCannot")));
  const details = el(
    "details",
    { class: "fair" },
    el("summary", {}, t("fairTitle"), el("span", { class: "verdict" })),
    list,
    el("dl", { class: "hex" }, [["commitment", model.proof.commitment], ["secret", model.proof.secret]].map(([name, value]) =>
      el("div", {}, el("dt", {}, t(name)), el("dd", { dir: "ltr" }, value)))),
  );
  if (canCheck()) {
    check(model.proof, { promised: model.promised, seat: model.seat, seed }).then((found) => {
      const facts = [["fairPromise", found.promise], ["fairDeal", found.deal]];
      if (model.seat !== null && seed) facts.push(["fairSeed", found.seed]);
      list.replaceChildren(...facts.map(([key, holds]) => el("li", { class: holds ? "holds" : "fails" }, `${holds ? "✓" : "✗"} ${t(key)}`)));
      const all = facts.every(([, holds]) => holds);
      details.querySelector(".verdict").textContent = all ? "✓" : "✗";
      details.classList.add(all ? "holds" : "fails");
    });
  }
  return details;
}

export function rulesContent() {
  return [
    el("h2", {}, t("rulesTitle")),
    el("ol", { class: "rules" }, t("rulesText").map((text) => el("li", {}, text))),
  ];
}

export function leaveContent(leave, close) {
  const stay = button(t("stay"), close, "primary");
  stay.dataset.first = "";
  return [el("h2", {}, t("leave")), el("p", {}, t("leaveAsk")), el("div", { class: "row" }, stay, button(t("leave"), leave))];
}
