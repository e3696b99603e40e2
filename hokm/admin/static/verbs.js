// What an operator can have done: each verb with what it will do, in words.

import { post } from "./api.js";
import { askFirst } from "./dialog.js";
import { el } from "./dom.js";
import { plural } from "./format.js";

const NO_HARM = "No player’s connection is closed.";
const MOST_WORKERS = 256;

const ready = (status) => status.workers.filter((worker) => worker.state === "ready");

export class Verbs {
  #begun;

  // `begun` is given each job that was begun here.
  constructor(begun) {
    this.#begun = begun;
  }

  #ask(question) {
    askFirst({ ...question, done: this.#begun });
  }

  drain(status, worker) {
    this.#ask({
      title: `Drain worker ${worker.id}?`,
      says: [
        `It gets no new rooms, gives its ${plural(worker.rooms, "room")} with ${plural(worker.connections, "connection")} to the other workers, and ends.`,
        `There are ${plural(Math.max(status.scaling.target - 1, 0), "worker")} from then on; the scaling rules go on from there.`,
        NO_HARM,
      ],
      action: `Drain worker ${worker.id}`,
      run: () => post(`/api/workers/${worker.id}/drain`),
    });
  }

  replace(status) {
    this.#ask({
      title: "Replace all workers?",
      says: [
        `Each of the ${plural(status.workers.length, "worker")} is replaced in turn by a fresh process with the code that is installed now. The new one starts first and takes over all rooms of the old one, which then ends.`,
        NO_HARM,
      ],
      action: "Replace all",
      run: () => post("/api/replace"),
    });
  }

  rebalance(status) {
    this.#ask({
      title: "Rebalance the rooms?",
      says: [
        `Rooms move from workers with more than their share of the ${plural(status.rooms, "room")} to those with less, no more of them than must.`,
        NO_HARM,
      ],
      action: "Rebalance",
      run: () => post("/api/rebalance"),
    });
  }

  scale(status) {
    const { target, min_workers: least, max_workers: most } = status.scaling;
    const input = el("input", { id: "count", type: "number", min: 1, max: MOST_WORKERS, step: 1, required: true, value: target });
    const effect = el("p", { "aria-live": "polite" });
    const tell = () => { effect.textContent = scaled(Number(input.value), target, least, most); };
    input.addEventListener("input", tell);
    tell();
    this.#ask({
      title: "Scale the workers",
      says: [],
      fields: [el("label", { for: "count" }, "How many workers there shall be"), input, effect, el("p", {}, NO_HARM)],
      action: "Scale",
      run: () => post("/api/scale", { workers: Number(input.value) }),
    });
  }

  move(status, room) {
    const others = ready(status).filter((worker) => worker.id !== room.worker);
    const select = el(
      "select",
      { id: "to", required: true },
      others.map((worker) => el("option", { value: worker.id }, `worker ${worker.id}, ${plural(worker.rooms, "room")}`)),
    );
    this.#ask({
      title: `Move room ${room.code}?`,
      says: [
        `It leaves worker ${room.worker} with its ${plural(room.connections, "connection")} and goes on elsewhere; play stands still for some milliseconds.`,
        NO_HARM,
        others.length ? null : el("p", { class: "error" }, "There is no other worker that takes rooms."),
      ].filter(Boolean),
      fields: [el("label", { for: "to" }, "To"), select],
      action: `Move ${room.code}`,
      run: () => post(`/api/rooms/${encodeURIComponent(room.code)}/move`, { worker: Number(select.value) }),
    });
  }
}

function scaled(wanted, target, least, most) {
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > MOST_WORKERS) return `A whole number from 1 to ${MOST_WORKERS}.`;
  if (wanted === target) return `There are to be ${target} already: nothing changes.`;
  const what = wanted > target
    ? `${plural(wanted - target, "worker")} more, started now. Rooms go there as they come, or when other workers have too much to do.`
    : `${plural(target - wanted, "worker")} less: those whose rooms are cheapest to move give them to the others, and end.`;
  const inside = wanted >= least && wanted <= most;
  return `${what} ${inside ? "The scaling rules go on from there." : `The bounds of the scaling rules, ${least} to ${most}, follow.`}`;
}
