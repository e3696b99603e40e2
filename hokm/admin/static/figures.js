// The whole instance in figures: tiles at the top, what is wrong, and how the moves went.

import { el, find, setText, svg } from "./dom.js";
import { count, duration, figure, known, milliseconds, percent } from "./format.js";
import { List } from "./lists.js";

const PAUSE_PROMISED_MS = 50; // p99 of a move, as the documents promise it
const CHART = { wide: 40, high: 30 };

function tile() {
  const [name, value, more] = [el("span", { class: "name" }), el("strong"), el("span", { class: "hint" })];
  const node = el("li", {}, name, value, more);
  const update = (now) => {
    setText(name, now.name);
    setText(value, now.value);
    setText(more, now.more);
    more.title = now.more;
    node.classList.toggle("bad", Boolean(now.bad));
  };
  return { node, update };
}

const line = () => {
  const node = el("li");
  return { node, update: (text) => setText(node, text) };
};

function pair() {
  const [name, value] = [el("dt"), el("dd")];
  const update = (now) => { setText(name, now.name); setText(value, now.value); };
  return { node: el("div", {}, name, value), update };
}

function tiles(status) {
  const { scaling, handoff, store } = status;
  const measured = (name, write) => known(scaling.measured[name], write);
  const ready = status.workers.filter((worker) => worker.state === "ready").length;
  const bounds = scaling.min_workers === scaling.max_workers ? "fixed" : `${scaling.min_workers} to ${scaling.max_workers}`;
  const whole = (value) => percent(value / 100);
  return [
    { name: "Players", value: count(status.players), more: `${count(status.connections)} connections` },
    { name: "Rooms", value: count(status.rooms), more: `${count(status.games)} matches in play` },
    { name: "Workers", value: `${ready} of ${scaling.target}`, more: `${bounds}, spares ${status.spares}`, bad: ready < scaling.target },
    { name: "New rooms", value: measured("game_creation_rate", (rate) => `${figure(rate)}/min`), more: `queue ${measured("queue_length", count)}` },
    { name: "Move pause p99", value: handoff.moves ? milliseconds(handoff.pause_ms.p99) : "–", more: `${count(handoff.moves)} moves`, bad: handoff.pause_ms.p99 > PAUSE_PROMISED_MS },
    { name: "Machine CPU", value: measured("host_cpu", whole), more: `memory ${measured("host_memory", whole)}` },
    { name: "Store", value: store.up ? "up" : "away", more: `${store.kind}, ${store.address}`, bad: !store.up },
  ];
}

function alarms(status) {
  const { overloaded, more_instances: more } = status.scaling;
  const wrong = status.unhealthy.map((reason) => `Players cannot be served: ${reason}.`);
  if (!status.instance.has_lease) wrong.push("This instance has lost its lease in the fleet: tables pause.");
  if (status.instance.state === "leaving") wrong.push("This instance leaves the fleet: its rooms go to the others, and it takes no new ones.");
  if (overloaded) wrong.push("Overloaded: new rooms are refused, games go on.");
  if (more) wrong.push("Another instance is wanted: this one cannot grow as its load asks for.");
  return wrong;
}

function moves({ moves, moving, pause_ms: pause, aborts, recovered, recovery_ms: recovery, adopted, distrusted }) {
  const of = (times) => `${figure(times.p50)} · ${figure(times.p99)} · ${figure(times.max)} ms`;
  const stayed = Object.entries(aborts).map(([reason, number]) => `${number} ${reason}`).join(", ");
  return [
    { name: "Rooms moved", value: count(moves) + (moving ? `, ${moving} on the move` : "") },
    { name: "Pause p50 · p99 · max", value: moves ? of(pause) : "–" },
    { name: "Stayed where they were", value: stayed || "none" },
    { name: "Recovered after a crash", value: recovered ? `${count(recovered)} rooms, ${count(adopted)} connections` : "none" },
    { name: "Recovery p50 · p99 · max", value: recovered ? of(recovery) : "–" },
    { name: "Connections closed by a crash", value: count(distrusted) },
  ];
}

// The pauses of the latest moves, one bar each.
function chart(latest) {
  const top = Math.max(PAUSE_PROMISED_MS, ...latest);
  const left = CHART.wide - latest.length;
  const high = (ms) => (ms / top) * CHART.high;
  const label = latest.length ? `Pauses of the last ${latest.length} moves, up to ${milliseconds(Math.max(...latest))}` : "No room has moved yet";
  return svg(
    "svg",
    { class: "bars", viewBox: `0 0 ${CHART.wide} ${CHART.high}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("line", { x1: 0, x2: CHART.wide, y1: CHART.high - high(PAUSE_PROMISED_MS), y2: CHART.high - high(PAUSE_PROMISED_MS) }),
    latest.map((ms, n) =>
      svg("rect", { x: left + n + 0.15, width: 0.7, y: CHART.high - Math.max(high(ms), 0.6), height: Math.max(high(ms), 0.6), class: ms > PAUSE_PROMISED_MS ? "high" : null }, svg("title", {}, milliseconds(ms)))),
  );
}

export class Figures {
  #tiles = new List(find("tiles"), (one) => one.name, tile);
  #alarms = new List(find("alarms"), (text) => text, line);
  #moves = new List(find("handoffs").querySelector("dl"), (one) => one.name, pair);
  #chart = find("handoffs").querySelector(".chart");
  #drawn = null;

  show(status) {
    setText(find("instance"), `${status.instance.id} · ${status.version} · up ${duration(status.uptime_s)}`);
    this.#alarms.show(alarms(status));
    this.#tiles.show(tiles(status));
    this.#moves.show(moves(status.handoff));
    const latest = status.handoff.latest_ms;
    if (String(latest) !== this.#drawn) {
      this.#drawn = String(latest);
      this.#chart.replaceChildren(chart(latest));
    }
  }
}
