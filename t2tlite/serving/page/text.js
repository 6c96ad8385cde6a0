/* A language model: the text grows while one watches, and may be changed in between. */

import { button, byId, say, tell } from "./elements.js";
import { Keeper, linkTo, takeLink } from "./keep.js";
import { Offers } from "./offers.js";
import { stream } from "./server.js";
import { Settings } from "./settings.js";
import { commonTools, showTools } from "./tools.js";
import { Work } from "./work.js";

// Tokens that are added at a time.
const TOKENS = 120;

/**
 * Returns what an answer adds to its beginning, whose spaces an encoder may change.
 *
 * A streamed answer is at first shorter than its beginning.
 */
export function added(beginning, answer) {
  if (answer.startsWith(beginning)) return answer.slice(beginning.length);
  let place = 0;
  for (const letter of beginning.replace(/\s/gu, "")) {
    while (/\s/u.test(answer[place] ?? "")) place += 1;
    if (place >= answer.length) return "";
    if (!answer.startsWith(letter, place)) return ` ${answer}`;
    place += letter.length;
  }
  const rest = answer.slice(place);
  return /\s$/u.test(beginning) ? rest.trimStart() : rest;
}

export class Text {
  constructor(model) {
    this.model = model;
    this.keeper = new Keeper(model);
    this.work = new Work(byId("compose").querySelector(".primary"), model.action);
    this.field = byId("line");
    this.past = [];
    this.offers = new Offers(model.examples, (text) => this.begin(text));
    this.settings = new Settings(
      Settings.stepOf(model.temperature || 0.7), () => {}, () => this.surprise());
    byId("compose").addEventListener("submit", (event) => {
      event.preventDefault();
      this.write();
    });
    byId("others").addEventListener("click", () => this.offers.showExamples());
    this.field.addEventListener("input", () => this._show());
    window.addEventListener("hashchange", () => this.openLink());
    const kept = this.keeper.load();
    if (typeof kept?.text === "string") this.field.value = kept.text;
    this.offers.showExamples();
    this.openLink();
    this._show();
  }

  begin(text) {
    this._remember();
    this.field.value = text;
    return this.write();
  }

  surprise() {
    if (this.field.value.trim()) this.write(Settings.surprising());
    else if (!this.offers.takeAny()) say("Write a beginning first.");
  }

  /** Asks the model to go on with the text. */
  write(parameters = this.settings.parameters()) {
    const before = this.field.value;
    const beginning = this._end(before);
    if (!beginning.trim()) {
      say("Write a beginning first.");
      this.field.focus();
      return null;
    }
    this._remember();
    const settings = {
      ...parameters, extra_length: Math.min(TOKENS, this.model.max_extra_length),
    };
    return this.work.run(async (signal) => {
      // What is typed meanwhile would be lost.
      this.field.readOnly = true;
      let news = "";
      try {
        await stream(this.model, beginning, settings, signal, (answer) => {
          news = added(beginning, answer);
          this.field.value = before + news;
          this.field.scrollTop = this.field.scrollHeight;
        });
      } finally {
        this.field.readOnly = false;
        this._show();
      }
      tell(`Added: ${news}`);
      return news.trim() ? "" : "The model ends the text here.";
    });
  }

  /** Returns as much of the end of a text as a request may hold, from a space on. */
  _end(text) {
    const longest = this.model.max_line_length;
    if (text.length <= longest) return text;
    const end = text.slice(-Math.floor(0.8 * longest));
    return end.slice(end.search(/\s/u) + 1);
  }

  _remember() {
    this.past.push(this.field.value);
  }

  undo() {
    this.work.cancel("");
    // A request that failed has changed nothing.
    let text = this.field.value;
    while (this.past.length && text === this.field.value) text = this.past.pop();
    this.field.value = text;
    this._show();
    say("Undone.");
  }

  _show() {
    const text = this.field.value;
    this.keeper.save({ text });
    byId("offers").hidden = text.trim() !== "" || !this.model.examples.length;
    byId("invitation").hidden = text.trim() !== "";
    showTools([
      button("Undo", () => this.undo(), { disabled: !this.past.length }),
      ...commonTools({
        text: text.trim() && text, name: this.model.name, link: () => linkTo(text.split("\n")),
      }),
      button("Start over", () => {
        this._remember();
        this.work.cancel("");
        this.field.value = "";
        this._show();
        this.field.focus();
      }, { disabled: !text }),
    ]);
  }

  /** Shows the text that the page's address holds. */
  openLink() {
    const link = takeLink();
    if (!link) return;
    this._remember();
    this.field.value = link.lines.join("\n");
    this._show();
    say("This text came with the link. Undo brings back your own.");
  }
}
