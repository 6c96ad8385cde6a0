/* What the page asks the server. Every failure is an Error with a sentence for people. */

async function ask(address, content, signal) {
  const request = content === undefined ? { signal } : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
    signal,
  };
  let response;
  try {
    response = await fetch(address, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("Can't reach the server. Is it running?");
  }
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({}));
  throw new Error(error ? sentence(error) : `The server answered ${response.status}.`);
}

function sentence(text) {
  const whole = text[0].toUpperCase() + text.slice(1);
  return /[.?!]$/.test(whole) ? whole : `${whole}.`;
}

export const facts = async () => (await ask("page.json")).json();

const address = (model, verb) => `v1/models/${encodeURIComponent(model.name)}:${verb}`;

/** Returns the answers to each line, `[{text, score}]`: best first, or as they were drawn. */
export async function predict(model, lines, parameters, signal) {
  const content = { instances: lines, parameters };
  const response = await ask(address(model, "predict"), content, signal);
  const { predictions } = await response.json();
  return predictions.map(({ outputs, scores }) =>
    outputs.map((text, i) => ({ text, score: scores[i] })));
}

/** Calls `show` with the answer so far whenever there is more of it; returns the whole. */
export async function stream(model, line, parameters, signal, show) {
  const content = { instances: [line], stream: true, parameters };
  const response = await ask(address(model, "predict"), content, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The connection to the server broke off.");
    }
    if (part.done) throw new Error("The server stopped in the middle of the answer.");
    const events = (rest + part.value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const [, name, data] = /^(?:event: (\w+)\n)?data: (.*)$/s.exec(event);
      const { outputs, error } = JSON.parse(data);
      if (name === "error") throw new Error(sentence(error));
      show(outputs);
      if (name === "end") return outputs;
    }
  }
}

/** Returns `{inputs, outputs, weights}`: tokens, and a row of weights for each output. */
export async function attention(model, line, answer, signal) {
  return (await ask(address(model, "attention"), { line, answer }, signal)).json();
}
