// Why there are as many workers as there are: the rules, how near each is, and what was decided.

import { el, find, setText } from "./dom.js";
import { duration, figure, known, moment, percent, plural, unit } from "./format.js";
import { List } from "./lists.js";

const WORDS = {
  unknown: "not known", quiet: "quiet", holding: "holding", cooling: "cooling down", fired: "fires", held_back: "held back",
};
const cell = (label, ...children) => el("td", { data: { label } }, ...children);

function gauge() {
  const node = el("div", { class: "gauge", "aria-hidden": "true" }, el("div"));
  return {
    node,
    set(part) {
      node.style.setProperty("--part", `${Math.min(Math.max(part ?? 0, 0), 1) * 100}%`);
      node.classList.toggle("full", part >= 1);
    },
  };
}

// A name that may be broken where it has an underscore, and nowhere else.
const breakable = (name) => name.split("_").flatMap((part, n) => (n ? ["_", el("wbr"), part] : [part]));

function row(rule) {
  const [value, near, held] = [el("span"), el("span"), el("span")];
  const [threshold, cooldown] = [el("span", { class: "hint" }), el("span")];
  const [state, note] = [el("span", { class: "badge" }), el("span", { class: "hint" })];
  const [level, time] = [gauge(), gauge()];
  const node = el(
    "tr",
    { data: { rule: rule.rule } },
    el("th", { scope: "row" }, breakable(rule.rule), " ", el("span", { class: "hint" }, breakable(rule.metric))),
    cell("Value", value, " ", threshold),
    cell("How near", level.node, near),
    cell("Held", time.node, held),
    cell("Cooldown", cooldown),
    cell("State", state, note),
  );
  const update = (now) => {
    const of = unit(now.metric);
    setText(value, known(now.value, (it) => figure(it) + of));
    setText(threshold, `${now.direction} ${figure(now.threshold)}${of}`);
    setText(near, known(now.level, (it) => (it > 9.99 ? "> 999 %" : percent(it))));
    level.set(now.level);
    setText(held, `${duration(now.held_s)} of ${duration(now.duration_s)}`);
    time.set(now.duration_s ? now.held_s / now.duration_s : now.level);
    setText(state, WORDS[now.state]);
    state.dataset.state = now.state;
    setText(cooldown, now.cooling_s ? duration(now.cooling_s) : "–");
    setText(note, now.note);
  };
  return { node, update };
}

function decision() {
  const [at, change, reasons] = [el("time"), el("strong"), el("span", { class: "hint" })];
  const update = (now) => {
    setText(at, moment(now.at));
    at.dateTime = now.at;
    const { before, target } = now;
    setText(change, before === target ? plural(target, "worker") : `${before} → ${plural(target, "worker")}`);
    change.dataset.way = target > before ? "up" : target < before ? "down" : "same";
    const more = [now.overloaded && "overloaded", now.more_instances && "another instance is wanted"];
    setText(reasons, [...now.reasons, ...more.filter(Boolean)].join("; "));
  };
  return { node: el("li", {}, at, change, reasons), update };
}

export class Rules {
  #summary = find("rules").querySelector(".summary");
  #rules = new List(find("rules").querySelector("tbody"), (rule) => rule.rule, row);
  #decisions = new List(find("decisions").querySelector("ol"), (entry) => entry.key, decision);

  show(scaling) {
    const { target, min_workers: low, max_workers: high } = scaling;
    const bounds = low === high ? "that number is fixed" : `${low} to ${high} are allowed`;
    const why = scaling.reasons.length ? `: ${scaling.reasons.join("; ")}` : "";
    setText(this.#summary, `${plural(target, "worker")} wanted, ${bounds}${why}.`);
    this.#rules.show(scaling.rules);
    // Two may be of the same second: the n-th of the log from its end stays what it was.
    const seen = new Map();
    const entries = scaling.decisions.map((entry) => {
      const nth = (seen.get(entry.at) ?? 0) + 1;
      seen.set(entry.at, nth);
      return { ...entry, key: `${entry.at} ${nth}` };
    });
    this.#decisions.show(entries.reverse());
  }
}
