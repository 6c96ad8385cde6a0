/* The row of buttons below the work. */

import { button, byId, say } from "./elements.js";
import { copy, save, saveText } from "./keep.js";

/** Shows the buttons, and keeps the focus on the one that has it. */
export function showTools(buttons) {
  const focused = document.activeElement;
  const name = byId("tools").contains(focused) ? focused.textContent : null;
  byId("tools").replaceChildren(...buttons);
  buttons.find((one) => one.textContent === name && !one.disabled)?.focus();
}

/** Copying, a link, a file; `link()` returns the address. */
export function commonTools({ text, name, link }) {
  const disabled = !text;
  return [
    button("Copy", () => copy(text, "Text"), { disabled }),
    button("Share link", () => copy(link(), "Link"), { disabled }),
    button("Save as text", () => saveText(text, name), { disabled }),
  ];
}

/** Saving as a picture; `make()` returns a Blob. */
export const picturesTool = (make, name, disabled) =>
  button("Save as picture", async () => {
    try {
      save(await make(), `${name}.png`);
    } catch (error) {
      say(error.message);
    }
  }, { disabled });
