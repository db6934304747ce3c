// The layers as columns, each slot a card.
import { useEffect, useState } from "preact/hooks";
import { html } from "./html.js";
import { Markdown } from "./markdown.js";
import { dollars, labelOf } from "./run.js";

const STATES = {
  waiting: "waiting", asked: "thinking", writing: "writing", answered: "answered", failed: "failed", cut: "cut short",
};

const Clock = ({ since }) => {
  const [now, tick] = useState(performance.now());
  useEffect(() => {
    const timer = setInterval(() => tick(performance.now()), 200);
    return () => clearInterval(timer);
  }, []);
  return html`${((now - since) / 1000).toFixed(1)} s`;
};

const Figures = ({ slot, over }) => {
  const going = !over && (slot.state === "asked" || slot.state === "writing");
  return html`<dl class="figures">
    <div><dt>Time</dt><dd>${going ? html`<${Clock} since=${slot.begun} />`
      : slot.seconds === null ? "–" : `${slot.seconds.toFixed(1)} s`}</dd></div>
    <div><dt>Tokens</dt><dd>${slot.tokens ?? "–"}</dd></div>
    <div><dt>Cost</dt><dd>${slot.seconds === null ? "–" : dollars(slot.cost)}</dd></div>
  </dl>`;
};

const Text = ({ slot }) => {
  if (slot.failure) return html`<p class="failure">${slot.failure.kind}: ${slot.failure.message}</p>`;
  if (!slot.text) return null;
  const name = `What ${labelOf(slot)} wrote`;
  return html`<div class="text" tabindex="0" role="region" aria-label=${name}>
    ${slot.state === "answered" ? html`<${Markdown} text=${slot.text} />` : html`<p class="plain">${slot.text}</p>`}
  </div>`;
};

const Slot = ({ slot, over }) => {
  const state = over && ["waiting", "asked", "writing"].includes(slot.state) ? "waiting" : slot.state;
  const told = over && slot.state !== state ? "not asked to the end" : STATES[state];
  return html`<li class="slot ${state}">
    <header><h4>${labelOf(slot)}</h4><span class="state">${told}${slot.attempt > 1 ? `, try ${slot.attempt}` : ""}</span></header>
    ${slot.model && html`<p class="model">${slot.model}</p>`}
    <${Figures} slot=${slot} over=${over} />
    <${Text} slot=${slot} />
    ${slot.notes.length > 0 && html`<ul class="notes">${slot.notes.map((note) => html`<li>${note}</li>`)}</ul>`}
  </li>`;
};

export const Layers = ({ stages, over, name }) => html`
  <div class="layers" tabindex="0" role="region" aria-label=${`Layers of ${name}`}>
    ${stages.map((stage) => html`<section class="stage" key=${stage.name}>
      <h3>${stage.name}${stage.live !== null && html` <span class="count">${stage.live} of ${stage.live + stage.failed}</span>`}</h3>
      <ul>${stage.slots.map((slot) => html`<${Slot} key=${labelOf(slot)} slot=${slot} over=${over} />`)}</ul>
    </section>`)}
  </div>`;
