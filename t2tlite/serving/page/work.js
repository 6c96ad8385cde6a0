/* One piece of work at a time: it can be cancelled, and tried again when it failed. */

import { button, byId, say } from "./elements.js";

const PATIENCE_MS = 5000;

/** Runs what the primary button asks for; meanwhile the button cancels it. */
export class Work {
  constructor(primary, name) {
    this.primary = primary;
    this.name = name;
    this.running = null;
    primary.textContent = name;
    primary.addEventListener("click", (event) => {
      if (!this.running) return;
      event.preventDefault();
      this.cancel();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.cancel();
    });
  }

  /** Ends the work, if any; what it has shown so far stays. */
  cancel(message = "Cancelled.") {
    if (!this.running) return;
    this.running.abort();
    this._end(message);
  }

  /** Calls `task(signal)`, which may return a message; returns whether it succeeded. */
  async run(task, message = "The model is writing…") {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    byId("problem").replaceChildren();
    byId("main").setAttribute("aria-busy", "true");
    this.primary.textContent = "Cancel";
    this.primary.classList.add("waiting");
    say(message);
    clearTimeout(this.patience);
    this.patience = setTimeout(() => {
      say("Still waiting. The first answer with other settings takes longer.");
    }, PATIENCE_MS);
    try {
      const told = await task(running.signal);
      if (this.running === running) this._end(told ?? "");
      return this.running === null;
    } catch (error) {
      // Cancelled, or replaced by newer work.
      if (running.signal.aborted) return false;
      this._end("");
      const again = button("Try again", () => this.run(task, message));
      byId("problem").replaceChildren(error.message, " ", again);
      return false;
    }
  }

  _end(message) {
    clearTimeout(this.patience);
    this.running = null;
    byId("main").removeAttribute("aria-busy");
    this.primary.textContent = this.name;
    this.primary.classList.remove("waiting");
    say(message);
  }
}
