// One run as it is shown: what its chunks say, put together. A chunk makes a new state; nothing is changed in place.

export const newRun = (model, question, options) => ({
  model, question, options, state: "asking", stages: [], answer: "", report: null, usage: null, error: null,
  started: new Date().toISOString(),
});

const newSlot = (name, sample) => ({
  name, sample, state: "waiting", model: "", text: "", failure: null, notes: [], seconds: null, tokens: null,
  cost: null, attempt: 0, begun: null,
});

export const isOver = (run) => ["answered", "failed", "stopped"].includes(run.state);

export function withChunk(run, chunk) {
  if (chunk.error) return { ...run, state: "failed", error: chunk.error.message };
  if (chunk.usage && !chunk.choices.length) return { ...run, usage: chunk.usage };
  const choice = chunk.choices[0];
  let next = run;
  if (choice.delta.content) next = { ...next, state: "writing", answer: next.answer + choice.delta.content };
  if (chunk.moa?.type) next = withEvent(next, chunk.moa);
  if (choice.finish_reason) next = { ...next, state: "answered", report: chunk.moa?.report ?? null };
  return next;
}

function withEvent(run, event) {
  switch (event.type) {
    case "run_started":
      return { ...run, stages: Object.entries(event.stages).map(([name, slots]) => ({
        name, live: null, failed: null, slots: slots.map((slot) => newSlot(slot, 0)),
      })) };
    case "call_started":
      return withSlot(run, event, (slot) => ({
        ...slot, state: "asked", model: event.model, attempt: event.attempt, begun: slot.begun ?? performance.now(),
      }));
    case "record_text":
      return withSlot(run, event, (slot) => ({
        ...slot, state: "writing", text: event.begins ? event.text : slot.text + event.text,
      }));
    case "record_finished":
      return withSlot(run, event, (slot) => ({
        ...slot,
        state: event.status === "live" ? "answered" : event.failure?.kind === "cut" ? "cut" : "failed",
        model: event.model, text: event.text ?? slot.text, failure: event.failure, notes: event.notes, kind: event.kind,
        seconds: event.seconds, tokens: event.usage ? event.usage.input + event.usage.output : null, cost: event.cost,
      }));
    case "stage_finished":
      return { ...run, stages: run.stages.map((stage) => stage.name === event.stage
        ? { ...stage, live: event.live, failed: event.failed } : stage) };
    default:
      return run;
  }
}

function withSlot(run, { stage, slot, sample }, change) {
  const inStage = (one) => {
    const known = one.slots.some((two) => two.name === slot && two.sample === sample);
    const slots = known ? one.slots : [...one.slots, newSlot(slot, sample)];
    return { ...one, slots: slots.map((two) => two.name === slot && two.sample === sample ? change(two) : two) };
  };
  return { ...run, stages: run.stages.map((one) => one.name === stage ? inStage(one) : one) };
}

/** The texts that an answer may stand on: what all stages but the last gave. */
export const proposalsOf = (run) => run.stages.slice(0, -1).flatMap((stage) =>
  stage.slots.filter((slot) => slot.state === "answered" && slot.text && !["ranking", "score", "route"].includes(slot.kind))
    .map((slot) => ({ name: labelOf(slot), stage: stage.name, text: slot.text })));

export const labelOf = (slot) => slot.sample ? `${slot.name} #${slot.sample + 1}` : slot.name;

export const dollars = (usd) => usd === null || usd === undefined ? "price unknown"
  : usd === 0 ? "$0" : `$${usd.toPrecision(2)}`;
