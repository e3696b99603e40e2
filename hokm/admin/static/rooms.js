// Which room is on which worker; found by a part of its code.

import { el, find, setAttribute, setText } from "./dom.js";
import { count, plural } from "./format.js";
import { List } from "./lists.js";

export class Rooms {
  #section = find("rooms");
  #find = find("find");
  #on = find("on");
  #status = null;
  #list;
  #options;

  // `look` is called when another question is asked.
  constructor(verbs, look) {
    this.#list = new List(this.#section.querySelector("ol"), (room) => room.code, (room) => this.#entry(room.code, verbs));
    this.#options = new List(this.#on, (id) => id, (id) => ({ node: el("option", { value: id }, id === "" ? "all workers" : `worker ${id}`), update() {} }));
    this.#on.replaceChildren();
    this.#find.addEventListener("input", look);
    this.#on.addEventListener("change", look);
  }

  get path() {
    const query = new URLSearchParams();
    if (this.#find.value.trim()) query.set("code", this.#find.value.trim());
    if (this.#on.value) query.set("worker", this.#on.value);
    return `/api/rooms?${query}`;
  }

  show(status, { rooms, total }) {
    this.#status = status;
    this.#options.show(["", ...status.workers.map((worker) => worker.id)]);
    this.#list.show(rooms);
    setText(this.#section.querySelector(".count"), count(total));
    const left = total - rooms.length;
    setText(this.#section.querySelector(".more"), left ? `and ${plural(left, "room")} more: find one by its code` : "");
  }

  #entry(code, verbs) {
    let now = null;
    const place = el("span", { class: "badge" });
    const connections = el("span", { class: "hint" });
    const move = el(
      "button",
      { class: "button small", type: "button", "aria-label": `Move room ${code}…`, on: { click: () => verbs.move(this.#status, now) } },
      "Move…",
    );
    const node = el("li", { data: { room: code } }, el("span", { class: "code" }, code), place, connections, move);
    const update = (room) => {
      now = room;
      setText(place, room.moving ? "moving" : `worker ${room.worker}`);
      setAttribute(place, "data-state", room.moving ? "draining" : null);
      setText(connections, plural(room.connections, "connection"));
    };
    return { node, update };
  }
}
