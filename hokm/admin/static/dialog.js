// The question before a verb: what will happen, and whether it shall.

import { el, find } from "./dom.js";
import { Away, Refused } from "./api.js";

// Ask. `says` is what will happen, in paragraphs; `fields` are nodes of a form; `run` does it and
// returns the job, which goes to `done`. What the server refuses is told here.
export function askFirst({ title, says, fields = [], action, run, done }) {
  const dialog = find("dialog");
  const error = el("p", { class: "error", role: "alert" });
  const cancel = el("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, "Cancel");
  const go = el("button", { class: "button primary", type: "submit" }, action);

  async function submit(event) {
    event.preventDefault();
    if (go.disabled) return;
    go.disabled = true;
    error.textContent = "";
    try {
      const job = await run();
      dialog.close();
      done(job);
    } catch (trouble) {
      error.textContent = inWords(trouble);
    } finally {
      go.disabled = false;
    }
  }

  dialog.replaceChildren(
    el(
      "form",
      { on: { submit } },
      el("h2", { id: "dialog-title" }, title),
      says.map((text) => (typeof text === "string" ? el("p", {}, text) : text)),
      fields,
      error,
      el("div", { class: "tools" }, cancel, go),
    ),
  );
  dialog.showModal();
  (dialog.querySelector("input, select") ?? cancel).focus();
}

function inWords(trouble) {
  if (trouble instanceof Refused) return `Refused: ${trouble.message}.`;
  if (trouble instanceof Away) return `${trouble.message} Whether it was begun, Operations will show.`;
  return String(trouble);
}
