// A small line of the last minutes. It says nothing that is not in text beside it.

import { setAttribute, svg } from "./dom.js";

const KEPT = 120; // values, as many as the server remembers
const HIGH = 24;

export class Sparkline {
  #line = svg("path", { class: "line" });
  #area = svg("path", { class: "area" });
  #least;
  node;

  // `least`: what the top stands for at least, so that noise about nothing looks like nothing.
  constructor(least) {
    this.#least = least;
    this.node = svg(
      "svg",
      { class: "spark", viewBox: `0 0 ${KEPT - 1} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      this.#area,
      this.#line,
    );
  }

  draw(values) {
    const shown = values.slice(-KEPT);
    const top = Math.max(this.#least, ...shown);
    const left = KEPT - shown.length;
    const points = shown.map((value, n) => `${left + n} ${(HIGH - 1 - (value / top) * (HIGH - 2)).toFixed(1)}`);
    const line = points.length ? `M${points.join("L")}` : "";
    setAttribute(this.#line, "d", line);
    setAttribute(this.#area, "d", line && `${line}V${HIGH}H${left}Z`);
  }
}
