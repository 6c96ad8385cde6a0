/* Builds the page for the model: its texts, and one of four forms. */

import { Answers } from "./answers.js";
import { button, byId, element } from "./elements.js";
import { Labels } from "./labels.js";
import { Lines } from "./lines.js";
import { facts } from "./server.js";
import { Text } from "./text.js";

const FORMS = { lines: Lines, text: Text, answer: Answers, labels: Labels };
const TEMPLATES = { labels: "answer" };

function build(model) {
  document.title = model.title;
  byId("title").textContent = model.title;
  byId("invitation").textContent = model.invitation;
  const template = byId(TEMPLATES[model.form] ?? model.form);
  byId("main").replaceChildren(template.content.cloneNode(true));
  const label = document.querySelector("label[for=line]");
  label.textContent = model.label;
  byId("line").placeholder = model.placeholder;
  const interface_ = element("a", { href: "docs" }, "interface for programs");
  byId("colophon").replaceChildren(`${model.name}, version ${model.version} · `, interface_);
  new FORMS[model.form](model);
}

async function start() {
  byId("problem").replaceChildren();
  try {
    build(await facts());
  } catch (error) {
    byId("problem").replaceChildren(error.message, " ", button("Try again", start));
  }
}

start();
