// The connection to a table: joining, command ids, resuming after any loss.
//
// Each command has an id above all before it and is kept until it is answered. After a resume, or
// a `state` that the server sent after a fault of its own, what has no answer (but for `last_id`,
// which was done) is sent again: the server answers a repeated id and does nothing twice. Such a fault
// closes nothing; where it swallowed the welcome, the table is asked for it again.

const SUBPROTOCOL = "hokm.v1";
const FIRST_WAIT_MS = 300;
const RESUME_WAIT_MS = 80; // where the server asks for it: the table is elsewhere already
const LONGEST_WAIT_MS = 5000;
// After a command. The server answers in milliseconds, or within 6 s where a worker hung (5 s until
// it is given up, 1 s until another has its tables): to come back earlier would only be seen. It
// must be well below the 20 s after which a bot plays for whoever is away.
const SILENCE_MS = 10000;
const LEFT = 1000;
const RESUME = 1012;
const POLICY = 1008;
const TAKEN_OVER = 4001;
const ENDINGS = { [LEFT]: "left", [POLICY]: "refused", [TAKEN_OVER]: "taken" };
const QUIET_ERRORS = new Set(["stale_id"]);

export class Connection {
  #socket = null;
  #id;
  #asked = null; // the join that waits for its welcome
  #ready = false;
  #ended = false;
  #paused = false;
  #pending = []; // commands without an answer, by rising id
  #again = new WeakSet(); // those of them that were sent more than once
  #tries = 0;
  #retry = null;
  #silence = null;
  #abort = new AbortController();

  // `join`: {name, seed, token?, seat?, role?}; `id`: the last command id that was used before.
  // `on`: {message(m), status(text), seat({token, id}), refused(code), error(code, command, quiet),
  // ended(how, reason)}; `quiet`: that is no news to anyone.
  constructor({ code, join, id = 0, on }) {
    this.code = code;
    this.join = join;
    this.#id = id;
    this.on = on;
    const { signal } = this.#abort;
    addEventListener("online", () => this.#hurry(), { signal });
    addEventListener("offline", () => this.#drop(), { signal });
    document.addEventListener("visibilitychange", () => this.#returned(), { signal });
    this.#open();
  }

  get ready() {
    return this.#ready;
  }

  // Send a command, now or as soon as the connection is back.
  send(command) {
    if (this.#ended) return;
    const full = { ...command, id: ++this.#id };
    this.#remember();
    this.#pending.push(full);
    if (this.#ready) this.#transmit(full);
  }

  // Ask for the whole state. Not kept: a resume brings the state anyway.
  sync() {
    if (this.#ready) this.#transmit({ type: "sync", id: ++this.#id });
  }

  isPending(type) {
    return this.#pending.some((command) => command.type === type);
  }

  close() {
    this.#ended = true;
    this.#abort.abort();
    clearTimeout(this.#retry);
    clearTimeout(this.#silence);
    this.#detach()?.close(LEFT);
  }

  #open() {
    this.#retry = null;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const url = `${scheme}://${location.host}/ws?room_code=${encodeURIComponent(this.code)}`;
    const socket = (this.#socket = new WebSocket(url, SUBPROTOCOL));
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#drop(), SILENCE_MS); // no browser gives up so soon
    this.on.status(this.#tries ? "reconnecting" : "connecting");
    socket.onopen = () => this.#ask();
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  // Ask for a place; once more, and with the same id, where the welcome did not come.
  #ask() {
    this.#ready = false;
    this.#asked ??= { type: "join", id: ++this.#id, ...this.join };
    this.#transmit(this.#asked);
  }

  #transmit(command) {
    this.#socket.send(JSON.stringify(command));
    clearTimeout(this.#silence);
    // While the server's store is away nothing is answered, and a new connection would not help.
    if (!this.#paused) this.#silence = setTimeout(() => this.#drop(), SILENCE_MS);
  }

  #receive(message) {
    clearTimeout(this.#silence);
    if (message.type === "notice") this.#paused = message.kind === "paused";
    if (message.type === "error") this.#error(message);
    else if (message.type === "ok") this.#answered(message.id);
    else if (message.type === "state" && !this.#ready) this.#ask();
    else {
      if (message.type === "welcome") this.#welcomed(message);
      if (message.state) this.#catchUp(message);
      this.on.message(message);
    }
  }

  #welcomed({ token, last_id }) {
    this.#tries = 0;
    this.#ready = true;
    this.#asked = null;
    this.#id = Math.max(this.#id, last_id);
    if (token) {
      this.join = { name: this.join.name, seed: this.join.seed, token };
      this.#remember();
    }
    this.on.status("open");
  }

  #remember() {
    if (this.join.token) this.on.seat({ token: this.join.token, id: this.#id });
  }

  #catchUp({ last_id, state }) {
    this.#paused = state.paused ?? false;
    this.#pending = this.#pending.filter((command) => command.id !== last_id);
    for (const command of this.#pending) {
      this.#again.add(command);
      this.#transmit(command);
    }
  }

  #answered(id) {
    const command = this.#pending.find((known) => known.id === id);
    this.#pending = this.#pending.filter((known) => known !== command);
    return command;
  }

  #error({ id, code }) {
    if (code === "not_joined") {
      // A command that was not done for want of a place waits for the welcome.
      if (this.#ready || id === null) this.#ask();
    } else if (id !== null && id === this.#asked?.id) {
      this.close();
      this.on.refused(code);
    } else {
      const command = this.#answered(id);
      // What is sent again may be out of date by now, and is answered twice if it came twice.
      if (command) this.on.error(code, command, this.#again.has(command) || QUIET_ERRORS.has(code));
    }
  }

  #closed(code, reason) {
    this.#detach();
    clearTimeout(this.#silence);
    if (this.#ended) return;
    if (ENDINGS[code]) {
      this.#ended = true;
      this.#abort.abort();
      this.on.ended(ENDINGS[code], reason);
    } else if (this.#retry === null) {
      this.#wait(code === RESUME ? RESUME_WAIT_MS : FIRST_WAIT_MS);
    }
  }

  #wait(first = FIRST_WAIT_MS) {
    const longest = Math.min(first * 2 ** this.#tries, LONGEST_WAIT_MS);
    this.#tries += 1;
    this.on.status("reconnecting");
    this.#retry = setTimeout(() => this.#open(), longest * (0.7 + 0.6 * Math.random()));
  }

  // Give a dead connection up without waiting for the browser to notice.
  #drop() {
    if (this.#ended || this.#retry !== null) return;
    this.#detach()?.close();
    this.#wait();
  }

  #detach() {
    const socket = this.#socket;
    this.#ready = false;
    this.#asked = null;
    this.#socket = null;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    return socket;
  }

  #hurry() {
    if (this.#ended || this.#retry === null) return;
    clearTimeout(this.#retry);
    this.#open();
  }

  // A phone that slept may hold a connection that is long dead.
  #returned() {
    if (document.visibilityState !== "visible") return;
    this.#hurry();
    this.sync();
  }
}
