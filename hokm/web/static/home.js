// The way in: create a table, join one by its code, or answer an invitation.

import { face } from "./cards.js";
import { el, find } from "./dom.js";
import { prefs, setPref } from "./prefs.js";
import { PublicTables, Waiting } from "./quick.js";
import { num, t } from "./texts.js";

const LONGEST_NAME = 24; // characters, as the protocol has it
const CODE = /^[2-9A-HJ-NP-Z]{8}$/;
const TARGETS = [3, 5, 7, 13];
const TURN_SECONDS = [15, 30, 60, 120];

export const cleanCode = (text) => text.toUpperCase().replace(/[^0-9A-Z]/g, "");

export class Home {
  #root = find("home");
  #actions;
  #public = false;
  #waiting = null;
  #choices = { target: 7, turn_seconds: 30, first_hakem: "ace", redeal: "none", deal_visible: "hakem_only" };

  // `actions`: {create({options, bots, isPublic}), search(), cancel(), open(code), join(role, code),
  // resume(slot), home()}; create may fail.
  constructor(actions) {
    this.#actions = actions;
  }

  hide() {
    this.#root.hidden = true;
  }

  // The first page. `message` says why one came back to it.
  show(message = "") {
    this.#fill(
      this.#hero(),
      el(
        "div",
        { class: "panel entry" },
        this.#problem(message),
        this.#nameField(),
        el("div", { class: "row quick" }, this.#button(t("quickMatch"), () => this.#actions.search(), "primary"), el("span", { class: "hint" }, t("quickHint"))),
        el("hr"),
        this.#createForm(),
        el("hr"),
        this.#joinForm(),
        new PublicTables((code) => this.#actions.open(code)).node,
      ),
    );
  }

  // A search for a table: how it stands is told to what is returned.
  search() {
    this.#waiting?.stop();
    this.#waiting = new Waiting(() => this.#actions.cancel());
    this.#fill(this.#hero(), this.#waiting.node);
    return this.#waiting;
  }

  // An invitation to `code`; `seats` are those that this browser has at the table already;
  // `watchOnly` when there is no other way in.
  invite(code, { seats = [], message = "", watchOnly = false } = {}) {
    const again = seats.map(({ slot, name }) =>
      this.#button(t("continueAs", { name }), () => this.#actions.resume(slot), "primary"));
    const enter = (role) => () => this.#actions.join(role, code);
    const join = watchOnly ? null : this.#button(t(seats.length ? "otherPlayer" : "joinAs"), enter("player"), seats.length ? "" : "primary");
    this.#fill(
      this.#hero(),
      el(
        "div",
        { class: "panel entry" },
        this.#problem(message),
        el("h2", {}, t("invited", { code })),
        ...again,
        again.length ? el("p", { class: "hint" }, t("continueHint")) : null,
        watchOnly ? null : this.#nameField(),
        el("div", { class: "row" }, join, this.#button(t("watch"), enter("spectator"), watchOnly ? "primary" : "")),
        el("div", { class: "row" }, this.#button(t("home"), () => this.#actions.home(), "plain")),
      ),
    );
  }

  #fill(...children) {
    this.#root.replaceChildren(...children);
    this.#root.hidden = false;
  }

  #hero() {
    const fan = el("div", { class: "aces", "aria-hidden": "true" }, ["AC", "AD", "AS", "AH"].map(face));
    return el("div", { class: "hero" }, fan, el("h1", {}, t("title")), el("p", {}, t("tagline")));
  }

  #problem(message) {
    return el("p", { class: "problem", role: "alert", hidden: !message }, message);
  }

  #nameField() {
    const field = el("input", { type: "text", id: "name", maxlength: LONGEST_NAME, dir: "auto", autocomplete: "nickname", placeholder: t("guest") });
    field.value = prefs.name;
    field.addEventListener("input", () => setPref("name", field.value.trim()));
    return el("label", { class: "field" }, el("span", {}, t("yourName")), field);
  }

  #createForm() {
    const buttons = [false, true].map((bots) => this.#button(t(bots ? "playBots" : "createTable"), () => this.#create(bots, buttons)));
    return el("div", { class: "create" }, el("div", { class: "row" }, buttons), this.#options());
  }

  async #create(bots, buttons) {
    for (const node of buttons) node.disabled = true;
    try {
      await this.#actions.create({ options: this.#choices, bots, isPublic: this.#public && !bots });
    } catch {
      this.#complain(t("createFailed"));
    }
    for (const node of buttons) node.disabled = false;
  }

  #complain(message) {
    const problem = this.#root.querySelector(".problem");
    problem.textContent = message;
    problem.hidden = false;
  }

  #options() {
    return el(
      "details",
      { class: "options" },
      el("summary", {}, t("options")),
      this.#choice("target", TARGETS.map((value) => [value, num(value)])),
      this.#choice("turnSeconds", TURN_SECONDS.map((value) => [value, num(value)]), "turn_seconds"),
      this.#choice("firstHakem", [["ace", t("byAce")], ["random", t("byLot")]], "first_hakem"),
      this.#switch("redealOption", "redeal", ["none", "ten_low"]),
      this.#switch("allFive", "deal_visible", ["hakem_only", "all_five"]),
      this.#publicSwitch(),
    );
  }

  #choice(key, values, name = key) {
    const select = el("select", { name }, values.map(([value, text]) => el("option", { value }, text)));
    select.value = this.#choices[name];
    select.addEventListener("change", () => {
      this.#choices[name] = values[select.selectedIndex][0];
    });
    return el("label", { class: "line" }, el("span", {}, t(key)), select);
  }

  #switch(key, name, [off, on]) {
    const box = el("input", { type: "checkbox", name });
    box.checked = this.#choices[name] === on;
    box.addEventListener("change", () => {
      this.#choices[name] = box.checked ? on : off;
    });
    return el("label", { class: "line" }, el("span", {}, t(key)), box);
  }

  #publicSwitch() {
    const box = el("input", { type: "checkbox", name: "public" });
    box.checked = this.#public;
    box.addEventListener("change", () => {
      this.#public = box.checked;
    });
    return el("label", { class: "line" }, el("span", {}, t("publicOption")), box);
  }

  #joinForm() {
    const field = el("input", { type: "text", id: "code", class: "code", dir: "ltr", maxlength: 12, autocomplete: "off", autocapitalize: "characters", spellcheck: "false", placeholder: "ABCD2345", "aria-label": t("joinCode") });
    const submit = (event) => {
      event.preventDefault();
      const code = cleanCode(field.value);
      if (CODE.test(code)) this.#actions.open(code);
      else this.#complain(t("badCode"));
    };
    return el("form", { class: "join", on: { submit } }, el("label", { class: "field" }, el("span", {}, t("joinTable")), field), el("button", { class: "button" }, t("join")));
  }

  #button(text, click, style = "") {
    return el("button", { class: `button ${style}`, type: "button", on: { click } }, text);
  }
}
