// Before and after a match: who sits where, bots, the invitation, the table's options, the start.

import { el, find, icon } from "./dom.js";
import { teamOf } from "./model.js";
import { placeOf } from "./table.js";
import { num, t } from "./texts.js";

const COPIED_MS = 1500;

export class Lobby {
  #root = find("lobby");
  #key = "";
  #send;

  constructor(send) {
    this.#send = send;
  }

  // `covered`: whether the result of the match is still shown over it.
  render(model, covered) {
    const shown = ["lobby", "match_over"].includes(model.phase) && model.joined && !covered;
    this.#root.hidden = !shown;
    const key = shown ? JSON.stringify([model.seats, model.host, model.seat, model.phase, model.options, document.documentElement.lang]) : "";
    if (!shown || key === this.#key) {
      this.#key = key;
      return;
    }
    this.#key = key;
    const focused = this.#root.contains(document.activeElement) ? document.activeElement.dataset.action : null;
    this.#root.replaceChildren(
      this.#panel(model),
    );
    if (focused) this.#root.querySelector(`[data-action="${focused}"]`)?.focus();
  }

  #panel(model) {
    return el(
      "div",
      { class: "panel" },
      this.#invitation(model),
      el("div", { class: "places", dir: "ltr" }, model.seats.map((_, seat) => this.#place(model, seat))),
      el("p", { class: "hint" }, model.seat === null ? t("watching") : t("partners")),
      this.#begin(model),
      optionsOf(model),
    );
  }

  #invitation(model) {
    const link = `${location.origin}/?room_code=${model.code}`;
    const copy = el("button", { class: "button small", type: "button", data: { action: "copy" } }, t("copyLink"));
    copy.addEventListener("click", async () => {
      await copyText(link);
      copy.textContent = t("copied");
      setTimeout(() => (copy.textContent = t("copyLink")), COPIED_MS);
    });
    const share = navigator.share
      ? this.#button("share", t("share"), () => navigator.share({ title: t("title"), url: link }).catch(() => {}))
      : null;
    return el(
      "div",
      { class: "invitation" },
      el("div", {}, el("span", { class: "what" }, t("invite")), el("strong", { class: "code", dir: "ltr" }, model.code)),
      el("div", { class: "row" }, copy, share),
    );
  }

  #place(model, seat) {
    const player = model.seats[seat];
    const ours = model.seat !== null && teamOf(seat) === teamOf(model.seat);
    const node = el("div", { class: `place ${placeOf(model, seat)} ${ours ? "ours" : ""}`, data: { seat } });
    if (!player) node.append(...this.#freePlace(model, seat));
    else node.append(...this.#takenPlace(model, seat, player));
    return node;
  }

  #freePlace(model, seat) {
    const send = (command) => () => this.#send(command);
    const parts = [el("span", { class: "name" }, t("emptySeat"))];
    if (model.seat !== null) parts.push(this.#button(`sit-${seat}`, t("sitHere"), send({ type: "sit", seat })));
    if (model.host !== null && model.host === model.seat) {
      parts.push(
        el(
          "div",
          { class: "row" },
          this.#button(`bot-${seat}`, t("normal"), send({ type: "add_bot", seat, level: "normal" }), t("addBot")),
          this.#button(`easy-${seat}`, t("easy"), send({ type: "add_bot", seat, level: "easy" })),
        ),
      );
    }
    return parts;
  }

  #takenPlace(model, seat, player) {
    const tags = [
      seat === model.seat ? t("you") : null,
      seat === model.host ? t("host") : null,
      player.kind === "bot" ? t(player.level ?? "normal") : null,
      player.kind === "human" && !player.connected ? t("away") : null,
    ].filter(Boolean);
    const state = player.kind === "bot" ? "" : t(player.ready ? "isReady" : "waiting");
    const kick = this.#button(`kick-${seat}`, "", () => this.#send({ type: "kick", seat }), t("kick", { name: player.name }));
    kick.classList.add("kick");
    kick.append(icon("i-close", "line"));
    return [
      el("span", { class: "name", dir: "auto" }, player.name),
      el("span", { class: "tag" }, tags.join(" · ")),
      el("span", { class: player.ready ? "state is-ready" : "state" }, state),
      model.host === model.seat && model.host !== null && seat !== model.seat ? kick : null,
    ].filter(Boolean);
  }

  #begin(model) {
    const row = el("div", { class: "row begin" });
    if (model.seat === null) return row;
    const me = model.seats[model.seat];
    if (model.host === model.seat) {
      const full = model.seats.every(Boolean);
      const text = model.phase === "match_over" ? t("rematch") : t(full ? "start" : "startFill");
      const start = this.#button("start", text, () => this.#send(full ? { type: "start" } : { type: "start", fill: true }));
      start.classList.add("primary");
      row.append(start);
    } else {
      const ready = this.#button("ready", t(me?.ready ? "notReady" : "ready"), () => this.#send({ type: "ready", ready: !me?.ready }));
      ready.classList.toggle("primary", !me?.ready);
      row.append(ready);
      const host = model.seats[model.host]?.name;
      if (host) row.append(el("span", { class: "hint" }, t("waitHost", { name: host })));
    }
    return row;
  }

  #button(action, text, click, label = null) {
    return el("button", { class: "button small", type: "button", data: { action }, "aria-label": label, title: label, on: { click } }, text);
  }
}

function optionsOf({ options }) {
  const facts = [
    [t("target"), num(options.target)],
    [t("turnSeconds"), num(options.turn_seconds)],
    [t("firstHakem"), t(options.first_hakem === "random" ? "byLot" : "byAce")],
    [t("redealOption"), t(options.redeal === "ten_low" ? "yes" : "no")],
    [t("allFive"), t(options.deal_visible === "all_five" ? "yes" : "no")],
  ];
  return el(
    "details",
    { class: "facts" },
    el("summary", {}, t("options")),
    el("dl", {}, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
  );
}

// The clipboard exists on https and localhost only; elsewhere a selection does.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = el("textarea", { class: "unseen" });
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}
