// What is under way, and what was done; at the foot of the page how the reader's own wish goes.

import { el, find, setAttribute, setText } from "./dom.js";
import { duration, figure } from "./format.js";
import { List } from "./lists.js";

const WORDS = { running: "Running", done: "Done", failed: "Failed" };
const title = (job) => `${job.verb} ${job.subject}`.trim();
const steps = (job) => (job.total ? `${job.done} of ${job.total}` : "");
const details = (job) => [steps(job), job.note, job.seconds < 10 ? `${figure(job.seconds)} s` : duration(job.seconds)].filter(Boolean).join(" · ");

function entry() {
  const [name, state, text] = [el("strong"), el("span", { class: "badge" }), el("span", { class: "hint" })];
  const bar = el("progress");
  return {
    parts: [name, state, bar, text],
    update(job) {
      setText(name, title(job));
      setText(state, WORDS[job.state]);
      state.dataset.state = job.state;
      setText(text, details(job));
      setAttribute(bar, "max", job.total || null);
      setAttribute(bar, "value", job.total ? job.done : null);
      setAttribute(bar, "aria-label", title(job));
      bar.hidden = job.state !== "running";
    },
  };
}

export class Jobs {
  #list = new List(find("jobs").querySelector("ol"), (job) => job.id, () => {
    const { parts, update } = entry();
    return { node: el("li", {}, parts), update };
  });

  show(jobs) {
    this.#list.show([...jobs].reverse());
  }
}

// Follows one job until it ends; how it ended stays to be read until it is put away.
export class Strip {
  #node = find("strip");
  #entry = entry();
  #job = null;

  constructor() {
    const close = el("button", { class: "button plain", type: "button", "aria-label": "Put away", on: { click: () => this.#close() } }, "✕");
    this.#node.append(...this.#entry.parts, close);
  }

  follow(job) {
    setText(find("said"), `${title(job)}: ${WORDS[job.state]}`); // not each step of it
    this.#job = job;
    this.#entry.update(job);
    this.#node.hidden = false;
  }

  show(jobs) {
    const job = this.#job;
    if (job === null || job.state !== "running") return;
    const now = jobs.find((one) => one.id === job.id && one.verb === job.verb && one.subject === job.subject);
    this.follow(now ?? { ...job, state: "failed", note: "the server was started anew and has forgotten it" });
  }

  #close() {
    this.#job = null;
    this.#node.hidden = true;
  }
}
