// The operators' page: looks once a second while it is looked at, and goes on by itself when the
// server was away, as it is for a moment while it executes itself anew.

import { Refused, get, hasToken, useToken } from "./api.js";
import { find, setText } from "./dom.js";
import { duration } from "./format.js";
import { Figures } from "./figures.js";
import { Fleet } from "./fleet.js";
import { Jobs, Strip } from "./jobs.js";
import { Rooms } from "./rooms.js";
import { Rules } from "./rules.js";
import { Trends } from "./trends.js";
import { Verbs } from "./verbs.js";
import { Workers } from "./workers.js";

const EVERY_MS = 1000;
const GAP_MS = 5000; // not looked for longer: what was between, the server may remember

const trends = new Trends();
const strip = new Strip();
const verbs = new Verbs((job) => { strip.follow(job); look(); });
const parts = { figures: new Figures(), workers: new Workers(trends, verbs), jobs: new Jobs(), rules: new Rules(), fleet: new Fleet() };
const rooms = new Rooms(verbs, () => look());
let answered = null; // when the server last did; null before it ever did
let version = null;
let timer = 0;
let round = 0; // an answer to an older question than the latest is not shown

async function look() {
  clearTimeout(timer);
  const mine = ++round;
  try {
    if (answered === null || Date.now() - answered > GAP_MS) trends.load(await get("/api/trends"));
    const [status, found] = await Promise.all([get("/api/status"), get(rooms.path)]);
    if (mine === round) show(status, found);
  } catch (trouble) {
    if (mine === round) explain(trouble);
  }
  if (mine === round && find("login").hidden && !document.hidden) timer = setTimeout(look, EVERY_MS);
}

function show(status, found) {
  if (version !== null && version !== status.version && !find("dialog").open) location.reload(); // its page may be another
  version ??= status.version;
  answered = Date.now();
  trends.add(status.workers);
  parts.figures.show(status);
  parts.workers.show(status);
  parts.jobs.show(status.jobs);
  parts.rules.show(status.scaling);
  parts.fleet.show(status);
  rooms.show(status, found);
  strip.show(status.jobs);
  find("main").hidden = false;
  find("logout").hidden = !hasToken();
  link("live", "Live");
}

function explain(trouble) {
  if (trouble instanceof Refused && trouble.code === "unauthorized") {
    logIn(hasToken() ? "That is not the token of this server." : "");
    return;
  }
  const since = answered === null ? "" : duration((Date.now() - answered) / 1000);
  link("away", trouble instanceof Refused ? `Refused: ${trouble.message}` : "Reconnecting…", since);
}

function link(state, text, since = "") {
  const node = find("link");
  node.dataset.state = state;
  setText(node.firstElementChild, text);
  setText(node.lastElementChild, since);
  document.body.classList.toggle("stale", state === "away");
}

function logIn(error) {
  useToken(null);
  answered = null;
  setText(find("login-error"), error);
  find("login").hidden = false;
  find("main").hidden = find("logout").hidden = true;
  find("dialog").close();
  link("login", "Not logged in");
  find("token").focus();
}

find("login").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(find("token").value.trim());
  find("token").value = "";
  find("login").hidden = true;
  link("loading", "Loading…");
  look();
});
find("logout").addEventListener("click", () => logIn(""));
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
look();
