// Tells the server once a day that somebody plays in this browser: by a random number, which the server counts
// and forgets, to see how many come back. Who asks not to be tracked is not counted.

import { guest } from "./memory.js";

let told = ""; // the day

export function visited() {
  const today = new Date().toISOString().slice(0, 10);
  if (told === today || navigator.globalPrivacyControl || navigator.doNotTrack === "1") return;
  told = today;
  const body = JSON.stringify({ guest: guest() });
  fetch("/api/visits", { method: "POST", body }).catch(() => {});
}
