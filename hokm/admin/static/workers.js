// The workers: how each is, and how it was in the last minutes.

import { el, find, setText } from "./dom.js";
import { count, mebibytes, milliseconds, percent } from "./format.js";
import { List } from "./lists.js";
import { Sparkline } from "./sparkline.js";

const LAG_FELT_MS = 50; // above it players feel it: the default rule on it
const CPU_HIGH = 0.85;
const MEMORY_LEAST = 64 * 2 ** 20;

const cell = (label, ...children) => el("td", { data: { label } }, ...children);

function measure(label, least) {
  const text = el("span", { class: "value" });
  const spark = new Sparkline(least);
  return { node: cell(label, spark.node, text), text, spark };
}

export class Workers {
  #status = null;
  #trends;
  #list;

  constructor(trends, verbs) {
    this.#trends = trends;
    const section = find("workers");
    for (const button of section.querySelectorAll("[data-verb]")) {
      button.addEventListener("click", () => verbs[button.dataset.verb](this.#status));
    }
    this.#list = new List(section.querySelector("tbody"), (worker) => worker.id, (worker) => this.#row(worker.id, verbs));
  }

  show(status) {
    this.#status = status;
    this.#list.show(status.workers);
  }

  #row(id, verbs) {
    const pid = el("span", { class: "hint" });
    const state = el("span", { class: "badge" });
    const [rooms, connections] = [el("span", { class: "value" }), el("span", { class: "value" })];
    const cpu = measure("CPU", 1);
    const memory = measure("Memory", MEMORY_LEAST);
    const lag = measure("Lag p99", LAG_FELT_MS);
    const drain = el(
      "button",
      { class: "button small", type: "button", "aria-label": `Drain worker ${id}…`, on: { click: () => verbs.drain(this.#status, this.#status.workers.find((one) => one.id === id)) } },
      "Drain…",
    );
    const node = el(
      "tr",
      { data: { worker: id } },
      el("th", { scope: "row" }, `Worker ${id} `, pid),
      cell("State", state),
      cell("Rooms", rooms),
      cell("Connections", connections),
      cpu.node, memory.node, lag.node,
      el("td", { class: "verbs" }, drain),
    );
    const update = (worker) => {
      const seen = this.#trends.of(id);
      const alive = worker.memory > 0; // else nobody has looked at it yet, or it is gone
      setText(pid, worker.pid === null ? "" : `pid ${worker.pid}`);
      setText(state, worker.state);
      state.dataset.state = worker.state;
      setText(rooms, count(worker.rooms));
      setText(connections, count(worker.connections));
      this.#measured(cpu, seen.cpu, alive && percent(worker.cpu), worker.cpu > CPU_HIGH);
      this.#measured(memory, seen.memory, alive && mebibytes(worker.memory), false);
      this.#measured(lag, seen.loop_lag_ms, alive && milliseconds(worker.loop_lag_ms), worker.loop_lag_ms > LAG_FELT_MS);
      drain.disabled = worker.state !== "ready";
    };
    return { node, update };
  }

  #measured({ node, text, spark }, values, written, high) {
    setText(text, written || "–");
    node.classList.toggle("high", high);
    spark.draw(values);
  }
}
