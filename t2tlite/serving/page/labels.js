/* A classifier: the probability of each label as a bar. */

import { Answers } from "./answers.js";
import { byId, element } from "./elements.js";

const SHOWN = 8;

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

export class Labels extends Answers {
  // Nothing is drawn at random.
  showSettings() {
    byId("settings").hidden = true;
  }

  get lines() {
    const text = this.field.value.trim().split(/\s*\n\s*/).join(" ");
    return text ? [text] : [];
  }

  parameters() {
    return { n: this.model.max_n };
  }

  get heading() {
    return "How probable each label is";
  }

  get text() {
    if (!this.result) return "";
    const [answers] = this.result.answers;
    return answers.map(({ text, score }) => `${text}\t${percent(Math.exp(score))}`).join("\n");
  }

  get pairs() {
    return [];
  }

  item(line, answers) {
    const bars = answers.map(({ text, score }) => {
      const share = Math.exp(score);
      const bar = element("span", { className: "bar", ariaHidden: "true" });
      bar.style.setProperty("--share", share);
      return element("li", {},
        element("span", { className: "label", dir: "auto" }, text),
        element("span", { className: "share" }, percent(share)), bar);
    });
    const item = element("li", {},
      element("p", { className: "source", dir: "auto" }, line),
      element("ol", { className: "bars" }, ...bars.slice(0, SHOWN)));
    if (bars.length > SHOWN) {
      item.append(element("details", { className: "more" },
        element("summary", {}, "Less probable ones"),
        element("ol", { className: "bars" }, ...bars.slice(SHOWN))));
    }
    return item;
  }
}
