/* What the visitor may choose from: examples of the data to begin with, later the model's lines. */

import { button, byId, element, moveByArrows, shuffled } from "./elements.js";

const EXAMPLES = 4;

export class Offers {
  constructor(examples, choose) {
    this.examples = examples;
    this.choose = choose;
    this.list = byId("offers").querySelector("ul");
    this.others = byId("others");
    moveByArrows(this.list);
  }

  /** Shows some examples, others at each call. */
  showExamples(title = "Or begin with one of these") {
    this._show(title, shuffled(this.examples).slice(0, EXAMPLES), "v");
    this.others.hidden = this.examples.length <= EXAMPLES;
  }

  /** Shows `{lines, samples}`; null: none yet. */
  showAnswers(offered) {
    const title = `The model’s lines, ${offered?.samples ? "drawn at random" : "likeliest first"}`;
    this._show(title, offered?.lines ?? [], "m");
    this.others.hidden = !offered?.samples;
  }

  /** Chooses the first of them; returns whether there is one. */
  takeFirst() {
    const first = this.list.querySelector("button");
    first?.click();
    return Boolean(first);
  }

  /** Chooses an example at random; returns whether there is one. */
  takeAny() {
    const [text] = shuffled(this.examples);
    if (text !== undefined) this.choose(text, "v");
    return text !== undefined;
  }

  focus() {
    this.list.querySelector("button")?.focus();
  }

  _show(title, texts, by) {
    byId("offers").hidden = texts.length === 0;
    byId("offers-title").textContent = title;
    const items = texts.map((text) => {
      const choice = button(text, () => this.choose(text, by), { dir: "auto" });
      return element("li", { className: by === "m" ? "model" : "" }, choice);
    });
    this.list.replaceChildren(...items);
  }
}
