// One visit to a table: the connection, the model, and all that is drawn from it.

import { Centre } from "./call.js";
import { Chat } from "./chat.js";
import { find, setText } from "./dom.js";
import { Hand } from "./hand.js";
import { Lobby } from "./lobby.js";
import { forgetSeat, hold, randomHex, saveSeat, savedSeat } from "./memory.js";
import { emptyModel, follows, reduce } from "./model.js";
import { tell, toast } from "./news.js";
import { onPref } from "./prefs.js";
import { Connection } from "./protocol.js";
import { leaveContent, resultContent } from "./sheet.js";
import { Table, nameOf } from "./table.js";
import { t, tCode } from "./texts.js";
import { visited } from "./visit.js";

const RESULT_AFTER_MS = 1300; // the last trick is seen first

export class Room {
  #model = emptyModel("");
  #connection = null;
  #visit = null; // {code, slot, name, seed, role}
  #status = "";
  #ended = null; // how the connection ended for good: {text, action?}
  #result = null; // timer of the result's sheet
  #resultKey = "";
  #syncing = false;
  #fillWithBots = false;

  // `refused(code, reason)` is called when the table lets one not in, `left()` when one is out.
  constructor(sheet, { refused, left }) {
    this.sheet = sheet;
    this.refused = refused;
    this.left = left;
    const send = (command) => this.#connection?.send(command);
    this.table = new Table();
    this.hand = new Hand((card) => this.#play(card));
    this.centre = new Centre((command) => this.#call(command));
    this.lobby = new Lobby(send);
    this.chat = new Chat(send);
    find("tool-leave").addEventListener("click", () => this.#askToLeave());
    find("notice-action").addEventListener("click", () => this.#ended?.action());
    onPref((name) => name === "language" && this.#retranslate());
  }

  // Take a seat (or watch, with role "spectator"); `slot` names the seat in this browser's memory.
  enter({ code, slot = null, name, role = "player", bots = false }) {
    const saved = slot ? savedSeat(code, slot) : null;
    const seed = saved?.seed ?? randomHex(16);
    this.exit();
    this.#visit = { code, slot, name: saved?.name ?? name, seed, role };
    this.#model = emptyModel(code);
    this.#fillWithBots = bots;
    this.#resultKey = "";
    this.chat.reset();
    hold(code, slot);
    this.#connect(saved);
    this.#show(true);
    this.#render();
  }

  // Leave the page of the table; the seat stays ours.
  exit() {
    this.#connection?.close();
    this.#connection = null;
    this.#ended = null;
    clearTimeout(this.#result);
    this.#result = null;
    hold("", null);
    this.sheet.close();
    this.#show(false);
  }

  #connect(saved) {
    const { code, name, seed, role } = this.#visit;
    const join = role === "spectator" ? { name, role } : { name, seed, ...(saved?.token && { token: saved.token }) };
    this.#ended = null;
    this.#connection = new Connection({
      code,
      join,
      id: saved?.id ?? 0,
      on: {
        message: (message) => this.#receive(message),
        status: (status) => this.#setStatus(status),
        seat: (seat) => this.#remember(seat),
        refused: (reason) => this.#refuse(reason),
        error: (reason, command, quiet) => this.#error(reason, command, quiet),
        ended: (how, reason) => this.#end(how, reason),
      },
    });
  }

  #remember({ token, id }) {
    const { code, slot, name, seed } = this.#visit;
    if (slot) saveSeat(code, slot, { token, id, name, seed });
  }

  // --- messages ---------------------------------------------------------------------------

  #receive(message) {
    const order = follows(this.#model, message);
    if (order === "old") return;
    if (order === "gap") {
      if (!this.#syncing) this.#connection.sync();
      this.#syncing = true;
      return;
    }
    if (message.state) this.#syncing = false;
    const before = this.#model;
    this.#model = reduce(before, message, Date.now());
    tell(message, before, this.#model);
    this.#react(message);
    this.#render();
  }

  #react(message) {
    if (message.state && !this.#connection.isPending("play")) this.hand.release();
    if (message.type === "hakem_drawn") this.centre.tell(this.#model, this.#model.drawn, () => this.#render());
    if (message.type === "hand_started" && this.sheet.kind === "result") this.sheet.close();
    if (message.type === "welcome" && this.#fillWithBots && this.#model.phase === "lobby") {
      this.#connection.send({ type: "start", fill: true });
    }
    if (message.type === "welcome") this.#fillWithBots = false;
    if (message.type === "welcome" && message.seat !== null) visited();
    this.#showResult(message);
  }

  #error(code, command, quiet) {
    this.hand.release();
    if (!quiet) toast(command.type === "say" && code === "rate_limited" ? t("tooFast") : tCode("error", code));
    this.#render();
  }

  #refuse(code) {
    const { slot } = this.#visit;
    if (slot && ["bad_token", "no_such_room"].includes(code)) forgetSeat(this.#visit.code, slot);
    this.exit();
    this.refused(this.#visit.code, code);
  }

  #end(how, reason) {
    const { code, slot } = this.#visit;
    hold("", null);
    if (how === "left") this.left();
    else if (how === "taken") this.#ended = { text: t("taken"), label: t("takeBack"), action: () => this.#takeBack() };
    else {
      // The host's removal and a rude client's end have the same close code: the table tells them apart.
      const kicked = this.#model.seat !== null && !this.#model.seats[this.#model.seat];
      if (kicked && slot) forgetSeat(code, slot);
      this.#ended = kicked
        ? { text: t("kicked"), label: t("home"), action: () => this.left() }
        : { text: t("closed", { reason }), label: t("takeBack"), action: () => this.#takeBack() };
    }
    this.#setStatus("ended");
  }

  #takeBack() {
    const { code, slot } = this.#visit;
    hold(code, slot);
    this.#connect(slot ? savedSeat(code, slot) : null);
  }

  // --- the player -------------------------------------------------------------------------

  // Answer for the trump, once: while the answer is on its way a second tap says nothing new.
  #call(command) {
    const asked = ["choose_trump", "redeal"].some((type) => this.#connection.isPending(type));
    if (!asked) this.#connection.send(command);
  }

  #play(card) {
    this.table.clear();
    this.#connection.send({ type: "play", card });
    this.#render();
  }

  #askToLeave() {
    if (this.#model.seat === null || this.#ended) this.left();
    else this.sheet.open("question", leaveContent(() => this.#leave(), () => this.sheet.close()));
  }

  #leave() {
    const { code, slot } = this.#visit;
    this.sheet.close();
    this.#connection.send({ type: "leave" });
    if (slot) forgetSeat(code, slot);
    this.#visit.slot = null; // nothing of it is to be saved again
    if (!this.#connection.ready) this.left();
  }

  // --- drawing ----------------------------------------------------------------------------

  #showResult(message) {
    const { phase, match_no, hand_no, result } = this.#model;
    const over = ["hand_over", "match_over"].includes(phase) && result;
    const key = over ? `${match_no} ${hand_no} ${phase}` : "";
    if (key === this.#resultKey) return;
    this.#resultKey = key;
    clearTimeout(this.#result);
    this.#result = null;
    if (!key) return;
    const open = () => {
      this.#result = null;
      this.sheet.open("result", this.#resultContent(), () => this.#render());
      this.#render();
    };
    if (message.state) open();
    else this.#result = setTimeout(open, RESULT_AFTER_MS);
  }

  #resultContent() {
    return resultContent(this.#model, {
      send: (command) => this.#connection?.send(command),
      close: () => this.sheet.close(),
      leave: () => this.#leave(),
      seed: this.#visit.seed,
    });
  }

  #retranslate() {
    this.chat.build();
    if (this.#visit) this.#render();
    if (this.sheet.kind === "result") this.sheet.open("result", this.#resultContent(), () => this.#render());
  }

  #setStatus(status) {
    this.#status = status;
    this.#render();
  }

  #show(shown) {
    find("room").hidden = !shown;
    find("room-chip").hidden = !shown;
    find("connection").hidden = !shown;
    document.body.classList.toggle("at-table", shown);
    if (!shown) find("notice").hidden = true;
  }

  #render() {
    if (!this.#visit || find("room").hidden) return;
    const model = this.#model;
    const covered = model.phase === "match_over" && (this.#result !== null || this.sheet.kind === "result");
    setText(find("room-chip"), model.code);
    find("room").dataset.phase = model.phase;
    this.table.render(model);
    this.hand.render(model);
    this.centre.render(model);
    this.lobby.render(model, covered);
    this.chat.render(model);
    this.#renderPrompt(model);
    this.#renderConnection();
  }

  #renderPrompt(model) {
    const prompt = find("prompt");
    const { turn } = model;
    prompt.hidden = !turn || turn.action !== "play";
    if (prompt.hidden) return;
    const mine = turn.seat === model.seat;
    prompt.classList.toggle("mine", mine);
    setText(prompt, mine ? t("yourTurn") : t("turnOf", { name: nameOf(model, turn.seat) }));
  }

  #renderConnection() {
    const chip = find("connection");
    const watching = this.#model.joined && this.#model.seat === null;
    const text = this.#status === "open" ? (watching ? "watching" : "online") : this.#status;
    chip.dataset.status = this.#status;
    setText(chip, this.#ended ? "" : t(text));
    const notice = this.#ended ?? (this.#model.paused ? { text: t("paused") } : null) ??
      (this.#status === "reconnecting" ? { text: t("reconnecting") } : null);
    find("notice").hidden = !notice;
    setText(find("notice-text"), notice?.text ?? "");
    find("notice-action").hidden = !notice?.action;
    setText(find("notice-action"), notice?.label ?? "");
  }
}
