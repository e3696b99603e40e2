// Lists that change while somebody reads them: an entry stays the same element for as long as it
// is there, so that focus, selection and screen readers are left in peace.

// Make `parent` show `items`. `make(item)` makes an entry's element and returns it with what updates it.
export class List {
  #parent;
  #key;
  #make;
  #shown = new Map();

  constructor(parent, key, make) {
    this.#parent = parent;
    this.#key = key;
    this.#make = make;
  }

  show(items) {
    const before = this.#shown;
    this.#shown = new Map();
    for (const item of items) {
      const key = this.#key(item);
      const entry = before.get(key) ?? this.#make(item);
      before.delete(key);
      this.#shown.set(key, entry);
      entry.update(item);
    }
    for (const { node } of before.values()) node.remove();
    let place = this.#parent.firstChild;
    for (const { node } of this.#shown.values()) {
      if (node === place) place = place.nextSibling;
      else this.#parent.insertBefore(node, place);
    }
    const section = this.#parent.closest("section");
    section?.classList.toggle("is-empty", this.#shown.size === 0);
  }
}
