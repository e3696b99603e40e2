// Quick match: a place in the lobby's queue, kept over lost connections, until a table is found.

import { randomHex } from "./memory.js";

const SUBPROTOCOL = "hokm.v1";
const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 5000;

export class Search {
  #socket = null;
  #token = null;
  #ended = false;
  #id = 0;
  #tries = 0;
  #retry = null;
  #seed = randomHex(16);

  // `on`: {progress({people, seconds}), waiting() when the connection is lost,
  // found({code, token, seed}), refused(code)}.
  constructor(name, on) {
    this.name = name;
    this.on = on;
    this.#open();
  }

  // Give up; whoever closes the page is only forgotten a little later.
  cancel() {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#send({ type: "leave" });
    this.#end();
  }

  #open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = (this.#socket = new WebSocket(`${scheme}://${location.host}/ws?room_code=LOBBY`, SUBPROTOCOL));
    socket.onopen = () => this.#join();
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = () => this.#lost();
  }

  #join() {
    this.#send({ type: "join", name: this.name, seed: this.#seed, ...(this.#token && { token: this.#token }) });
  }

  #send(command) {
    this.#id += 1;
    this.#socket.send(JSON.stringify({ ...command, id: this.#id }));
  }

  #receive(message) {
    if (message.type === "queued") {
      this.#token = message.token;
      this.#tries = 0;
    } else if (message.type === "queue") {
      this.on.progress({ people: message.people, seconds: message.seconds_left });
    } else if (message.type === "matched") {
      this.#end();
      this.on.found({ code: message.room_code, token: this.#token, seed: this.#seed });
    } else if (message.type === "error" && message.code === "not_joined") {
      this.#join(); // the server had to recover the lobby
    } else if (message.type === "error") {
      this.#end();
      this.on.refused(message.code);
    }
  }

  #lost() {
    if (this.#ended) return;
    const longest = Math.min(FIRST_WAIT_MS * 2 ** this.#tries, LONGEST_WAIT_MS);
    this.#tries += 1;
    this.on.waiting();
    this.#retry = setTimeout(() => this.#open(), longest * (0.7 + 0.6 * Math.random()));
  }

  #end() {
    this.#ended = true;
    clearTimeout(this.#retry);
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
