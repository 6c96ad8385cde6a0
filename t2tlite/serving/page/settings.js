/* How lively answers are: temperature and top-p of a request, on one slider. */

import { button, byId, element } from "./elements.js";

const STEPS = 10;
const LIVELIEST = 9;

const temperatureOf = (step) => 0.3 + 0.1 * step;
const topPOf = (step) => 0.88 + 0.01 * step;
const rounded = (value) => Number(value.toFixed(2));

const samplingOf = (step) => ({
  sampling_method: "random",
  sampling_temp: rounded(temperatureOf(step)),
  sampling_top_p: rounded(topPOf(step)),
});

/** The slider, and the button "Surprise me" beside it. */
export class Settings {
  constructor(start, onchange, onsurprise) {
    this.slider = element("input", {
      id: "lively", type: "range", min: 0, max: STEPS, step: 1, value: start,
    });
    this.meaning = element("output", { id: "meaning", htmlFor: "lively" });
    const parts = [
      element("label", { htmlFor: "lively" }, "Livelier"),
      this.slider,
      button("Surprise me", onsurprise, { id: "surprise" }),
      this.meaning,
    ];
    byId("settings").replaceChildren(...parts);
    this.slider.addEventListener("input", () => this._tell());
    let delay;
    this.slider.addEventListener("change", () => {
      clearTimeout(delay);
      delay = setTimeout(onchange, 400);
    });
    this._tell();
  }

  /** Returns the step of the slider for a temperature; 0: no sampling. */
  static stepOf(temperature) {
    return temperature ? Math.min(STEPS, Math.max(1, Math.round((temperature - 0.3) / 0.1))) : 0;
  }

  get step() {
    return this.slider.valueAsNumber;
  }

  get samples() {
    return this.step > 0;
  }

  /** Parameters of a request for `n` answers; without `n`, for one that is streamed. */
  parameters(n) {
    return { n, ...(this.samples ? samplingOf(this.step) : { sampling_method: "argmax" }) };
  }

  /** The same for surprising answers. */
  static surprising(n) {
    return { n, ...samplingOf(LIVELIEST) };
  }

  _tell() {
    const { sampling_temp: temperature, sampling_top_p: topP } = samplingOf(this.step);
    const meaning = this.samples
      ? `Temperature ${temperature}, top-p ${topP}: drawn at random.` : "The likeliest.";
    this.meaning.value = meaning;
    this.slider.setAttribute("aria-valuetext", meaning);
  }
}
