// The instances that share the store, as this one knows them; nothing where there is only this one.

import { el, find, setAttribute, setText } from "./dom.js";
import { count, duration, plural } from "./format.js";
import { List } from "./lists.js";

const cell = (label, ...children) => el("td", { data: { label } }, ...children);

function row(member) {
  const [here, state] = [el("span", { class: "hint" }), el("span", { class: "badge" })];
  const fields = ["workers", "rooms", "connections", "version", "address"].map((name) => ({ name, node: el("span") }));
  const node = el(
    "tr",
    { data: { instance: member.id } },
    el("th", { scope: "row" }, member.id, " ", here),
    cell("State", state),
    fields.map(({ name, node: text }) => cell(name[0].toUpperCase() + name.slice(1), text)),
  );
  const update = (now) => {
    setText(here, now.here ? "this one" : "");
    setText(state, now.state);
    setAttribute(state, "data-state", now.state === "active" ? "ready" : "draining");
    for (const { name, node: text } of fields) setText(text, typeof now[name] === "number" ? count(now[name]) : now[name]);
  };
  return { node, update };
}

export class Fleet {
  #section = find("fleet");
  #members = new List(this.#section.querySelector("tbody"), (member) => member.id, row);

  show({ instance, fleet }) {
    this.#section.hidden = fleet.length === 0;
    if (fleet.length === 0) return;
    const lease = instance.has_lease ? `lease of ${duration(instance.lease_s)}, renewed ${duration(instance.lease_age_s)} ago` : "lease lost";
    setText(this.#section.querySelector(".summary"), `${lease}; ${plural(instance.relays, "connection")} relayed to others. The others’ figures are those of their last renewal.`);
    this.#members.show(fleet.map((member) => ({ ...member, here: member.id === instance.id })));
  }
}
