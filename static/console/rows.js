// A list of things that come and go. What stays keeps its element, and so the focus in it.
import { h } from "./ui.js";

export class Rows {
  // `make(item, key)` gives the element of an item; `empty` is said when there is none.
  constructor(make, { empty = "Nothing yet.", ...attributes } = {}) {
    this.element = h("ul", { ...attributes, class: `rows ${attributes.class || ""}` });
    this.nothing = h("li", { class: "empty" }, empty);
    this.make = make;
    this.shown = new Map();
    this.began = false;
  }

  // Show these [key, item] pairs, in this order. An item that is another object is drawn anew.
  show(entries) {
    const before = this.shown;
    this.shown = new Map();
    for (const [key, item] of entries) {
      const known = before.get(key);
      if (known && known.item === item) {
        this.shown.set(key, known);
        continue;
      }
      const element = this.make(item, key);
      if (!known && this.began) element.classList.add("fresh");
      this.shown.set(key, { item, element });
    }
    this.began = true;
    let at = this.element.firstChild;
    for (const { element } of this.shown.values()) {
      if (element === at) at = at.nextSibling;
      else this.element.insertBefore(element, at);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
    this.filter(this.fits);
  }

  // Hide what does not fit. Returns how many do.
  filter(fits = () => true) {
    this.fits = fits;
    let count = 0;
    for (const [key, { item, element }] of this.shown) {
      const hidden = !fits(item, key);
      if (element.hidden !== hidden) element.hidden = hidden;
      if (!hidden) count += 1;
    }
    if (count) this.nothing.remove();
    else if (this.began) this.element.append(this.nothing);
    return count;
  }
}
