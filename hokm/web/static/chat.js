// The chat: a panel beside the table on wide screens, a drawer over it on others.

import { el, find, icon, setAttribute, setText } from "./dom.js";
import { num, t } from "./texts.js";

const LONGEST = 200; // characters, as the protocol has it

export class Chat {
  #root = find("chat");
  #tool = find("tool-chat");
  #unread = find("unread");
  #seen = 0;
  #shown = [];
  #model = null;
  #lines;
  #field;
  #send;

  constructor(send) {
    this.#send = send;
    this.#tool.addEventListener("click", () => this.toggle());
    this.#root.addEventListener("keydown", (event) => event.key === "Escape" && this.toggle(false));
    this.build();
  }

  get isOpen() {
    return !this.#root.hidden;
  }

  // Say everything anew, in the language of now.
  build() {
    const draft = this.#field?.value ?? "";
    this.#shown = [];
    this.#lines = el("ol", { class: "lines", role: "log", tabindex: "0", "aria-label": t("chat") });
    this.#field = el("input", { type: "text", maxlength: LONGEST, dir: "auto", autocomplete: "off", enterkeyhint: "send", "aria-label": t("message"), placeholder: t("message") });
    this.#field.value = draft;
    const submit = (event) => {
      event.preventDefault();
      this.#say(this.#field.value);
      this.#field.value = "";
    };
    const close = el("button", { class: "tool", type: "button", "aria-label": t("close"), on: { click: () => this.toggle(false) } }, icon("i-close", "line"));
    this.#root.replaceChildren(
      el("header", {}, el("h2", {}, t("chat")), close),
      this.#lines,
      el("div", { class: "canned" }, t("canned").map((text) => el("button", { class: "button small", type: "button", on: { click: () => this.#say(text) } }, text))),
      el("form", { on: { submit } }, this.#field, el("button", { class: "button small primary" }, t("send"))),
    );
  }

  reset() {
    this.#seen = 0;
    this.build();
  }

  toggle(open = !this.isOpen) {
    this.#root.hidden = !open;
    find("room").classList.toggle("with-chat", open);
    setAttribute(this.#tool, "aria-expanded", String(open));
    if (this.#model) this.render(this.#model);
    if (open) this.#field.focus();
    else this.#tool.focus();
  }

  render(model) {
    this.#model = model;
    const watching = model.seat === null;
    this.#root.classList.toggle("read-only", watching);
    if (model.chat !== this.#shown) this.#list(model);
    this.#shown = model.chat;
    const { said } = model;
    if (this.isOpen) this.#seen = said;
    const unread = said - this.#seen;
    this.#unread.hidden = unread <= 0;
    setText(this.#unread, unread > 0 ? num(unread) : "");
  }

  #list(model) {
    const lines = model.chat.map(({ seat, name, text }) =>
      el("li", { class: seat === model.seat ? "mine" : "" }, el("b", { dir: "auto" }, name), el("span", { dir: "auto" }, text)));
    if (!lines.length) lines.push(el("li", { class: "hint" }, t("noChat")));
    this.#lines.replaceChildren(...lines);
    this.#lines.scrollTop = this.#lines.scrollHeight;
  }

  #say(text) {
    const trimmed = text.trim();
    if (trimmed) this.#send({ type: "say", text: trimmed });
  }
}
