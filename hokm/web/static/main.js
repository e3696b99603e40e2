// The page: which table it is at, if any, and the tools of its header.

import { find, setAttribute, setText } from "./dom.js";
import { Home, cleanCode } from "./home.js";
import { heldElsewhere, newSlot, savedSeats, saveSeat, slotHere } from "./memory.js";
import { onPref, prefs, setPref } from "./prefs.js";
import { Room } from "./room.js";
import { Search } from "./search.js";
import { Sheet, rulesContent } from "./sheet.js";
import { t, tCode, translate } from "./texts.js";

const sheet = new Sheet();
const playerName = () => prefs.name || t("guest");

const room = new Room(sheet, {
  refused(code, reason) {
    const message = tCode("refused", reason);
    if (reason === "room_full") show(() => home.invite(code, { message, watchOnly: true }));
    else go("/", () => home.show(message));
  },
  left: () => go("/"),
});

const home = new Home({
  async create({ options, bots, isPublic }) {
    const answer = await fetch("/api/rooms", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ options, public: isPublic }),
    });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const { room_code: code, host_token: token } = await answer.json();
    const slot = newSlot();
    saveSeat(code, slot, { token, id: 0, name: playerName() });
    go(urlOf(code), () => enter(code, { slot, bots }));
  },
  search: () => startSearch(),
  cancel() {
    endSearch();
    show(() => home.show());
  },
  open: (code) => go(urlOf(code)),
  join: (role, code) => enter(code, role === "player" ? { slot: newSlot() } : { role }),
  resume: (slot) => enter(codeOfUrl(), { slot }),
  home: () => go("/"),
});

let search = null;

function startSearch() {
  let panel = home.search();
  let last = null;
  again = () => {
    panel = home.search();
    if (last) panel.show(last);
  };
  const name = playerName();
  search = new Search(name, {
    progress: (stand) => panel.show((last = stand)),
    waiting: () => panel.wait(),
    found({ code, token, seed }) {
      panel.stop();
      search = null;
      const slot = newSlot();
      saveSeat(code, slot, { token, id: 0, name, seed });
      go(urlOf(code), () => enter(code, { slot }));
    },
    refused(reason) {
      panel.stop();
      search = null;
      show(() => home.show(tCode("refused", reason)));
    },
  });
}

function endSearch() {
  search?.cancel();
  search = null;
}

const urlOf = (code) => `/?room_code=${code}`;
const codeOfUrl = () => cleanCode(new URLSearchParams(location.search).get("room_code") ?? "");

let again = () => {}; // draws the present page of the home anew, in another language

function show(draw) {
  again = draw;
  draw();
}

function go(url, then = route) {
  history.pushState(null, "", url);
  if (url === "/") room.exit();
  if (then === route) route();
  else show(then);
}

function enter(code, how) {
  again = () => {};
  home.hide();
  room.enter({ code, name: playerName(), ...how });
}

// A reload goes on at once, and so does a seat that no other tab has; otherwise the person chooses.
async function route() {
  room.exit();
  endSearch();
  const code = codeOfUrl();
  if (!code) {
    show(() => home.show());
    return;
  }
  const here = slotHere(code);
  if (here) {
    enter(code, { slot: here });
    return;
  }
  const seats = savedSeats(code);
  const held = seats.length ? await heldElsewhere(code) : new Set();
  const free = seats.find(({ slot }) => !held.has(slot));
  if (free) enter(code, { slot: free.slot });
  else show(() => home.invite(code, { seats }));
}

function drawTools() {
  translate();
  document.title = t("title");
  document.body.classList.toggle("four-colours", prefs.fourColours);
  setAttribute(find("tool-deck"), "aria-pressed", String(prefs.fourColours));
  setAttribute(find("tool-sound"), "aria-pressed", String(prefs.sound));
  setAttribute(find("sound-icon"), "href", prefs.sound ? "#i-sound" : "#i-mute");
  for (const tool of document.querySelectorAll(".tool[data-label]")) tool.title = tool.getAttribute("aria-label");
  setAttribute(find("tool-language"), "lang", prefs.language === "fa" ? "en" : "fa");
  setText(find("tool-language"), t("language"));
}

const onClick = (id, listener) => find(id).addEventListener("click", listener);
onClick("tool-rules", () => sheet.open("help", rulesContent()));
onClick("tool-deck", () => setPref("fourColours", !prefs.fourColours));
onClick("tool-sound", () => setPref("sound", !prefs.sound));
onClick("tool-language", () => setPref("language", prefs.language === "fa" ? "en" : "fa"));
document.querySelector(".brand").addEventListener("click", (event) => {
  event.preventDefault();
  go("/");
});
addEventListener("popstate", route);
onPref((name) => {
  if (name === "name") return;
  drawTools();
  if (name === "language") again();
});

drawTools();
route();
