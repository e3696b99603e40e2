// Elements of the page. Text always goes in as text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

// Make an element. `props`: `class`, `on` ({event: listener}), `data`, attributes; a null, false or
// undefined attribute is left out, true is an empty one. Children are nodes or texts.
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, { on = {}, data = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  for (const [name, listener] of Object.entries(on)) node.addEventListener(name, listener);
  Object.assign(node.dataset, data);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}

// A symbol of the sprite in index.html.
export function icon(name, extra = "") {
  return svg(
    "svg",
    { class: `icon ${extra}`, "aria-hidden": "true", viewBox: "0 0 24 24" },
    svg("use", { href: `#${name}` }),
  );
}

export const find = (id) => document.getElementById(id);

// Change text only where it differs, so that screen readers and selections are left in peace.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
