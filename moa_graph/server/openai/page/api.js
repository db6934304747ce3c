// The door's own protocol, as any other client speaks it. Addresses are relative, so that the page works behind a prefix.

const headers = (key) => ({
  "content-type": "application/json",
  ...(key ? { authorization: `Bearer ${key}` } : {}),
});

export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `The server answered with status ${status}.`);
    this.status = status;
  }
}

async function failure(response) {
  const body = await response.json().catch(() => ({}));
  return new Refused(response.status, body.error);
}

/** The mixtures that are served; each once, and no writer alone. */
export async function listMixtures(key) {
  const response = await fetch("v1/models", { headers: headers(key) });
  if (!response.ok) throw await failure(response);
  const { data } = await response.json();
  return data.filter((model) => model.id === `moa/${model.moa.mixture}` && !model.id.endsWith(":writer"));
}

/** Asks, and gives each chunk of the stream as it comes. */
export async function* ask({ model, question, options, key, signal }) {
  const body = {
    model,
    messages: [{ role: "user", content: question }],
    stream: true,
    stream_options: { include_usage: true, include_moa_live: true },
    ...(Object.keys(options).length ? { moa: options } : {}),
  };
  const response = await fetch("v1/chat/completions", {
    method: "POST", headers: headers(key), body: JSON.stringify(body), signal,
  });
  if (!response.ok) throw await failure(response);
  yield* chunksOf(response.body.pipeThrough(new TextDecoderStream()).getReader());
}

async function* chunksOf(reader) {
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      if (!event.startsWith("data: ") || event === "data: [DONE]") continue;
      yield JSON.parse(event.slice("data: ".length));
    }
  }
}
