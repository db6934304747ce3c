// What is asked, of which mixtures, within which limits.
import { html } from "./html.js";

const LIMITS = [
  ["deadline", "Seconds", "any"], ["usd", "Dollars", "any"], ["calls", "Calls", "1"], ["quorum", "Quorum", "1"],
];

/** The names that a field of a mixture's options may have, from its JSON Schema. */
const namesIn = (model, field) => {
  const [first] = model?.moa.options.properties[field]?.anyOf ?? [];
  return first?.enum ?? first?.items?.enum ?? (first?.const ? [first.const] : []);
};

const Choice = ({ label, id, value, mixtures, choose }) => html`<label for=${id}>${label}
  <select id=${id} value=${value} onChange=${(event) => choose(event.target.value)}>
    ${mixtures.map(({ id: name }) => html`<option value=${name} selected=${name === value}>${name}</option>`)}
  </select></label>`;

const Options = ({ model, options, change }) => {
  const set = (name, value) => change({ ...options, [name]: value === "" ? undefined : value });
  const writers = namesIn(model, "aggregator");
  const slots = namesIn(model, "proposers");
  const chosen = options.proposers ?? slots;
  const toggle = (slot) => {
    const next = slots.filter((one) => (one === slot) !== chosen.includes(one));
    set("proposers", next.length === slots.length ? "" : next);
  };
  return html`<details class="options"><summary>Options of this run</summary>
    <div class="row">${LIMITS.map(([name, label, step]) => html`<label>${label}
      <input type="number" min="0" step=${step} value=${options[name] ?? ""} placeholder="as described"
        onInput=${(event) => set(name, event.target.value === "" ? "" : Number(event.target.value))} /></label>`)}
      ${writers.length > 1 && html`<label>Writer <select onChange=${(event) => set("aggregator", event.target.value)}>
        <option value="">as described</option>
        ${writers.map((name) => html`<option selected=${options.aggregator === name}>${name}</option>`)}</select></label>`}
    </div>
    ${slots.length > 1 && html`<fieldset><legend>Proposers</legend>${slots.map((slot) => html`<label class="check">
      <input type="checkbox" checked=${chosen.includes(slot)} onChange=${() => toggle(slot)} /> ${slot}</label>`)}</fieldset>`}
  </details>`;
};

export const Form = ({ mixtures, choice, change, running, onAsk, onStop }) => {
  const set = (fields) => change({ ...choice, ...fields });
  const submit = (event) => { event.preventDefault(); if (choice.question.trim()) onAsk(); };
  const quick = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event); };
  return html`<form class="ask" onSubmit=${submit}>
    <label for="question">Question</label>
    <textarea id="question" rows="3" required value=${choice.question} onKeyDown=${quick}
      aria-describedby="hint" onInput=${(event) => set({ question: event.target.value })}></textarea>
    <p id="hint" class="hint">Ctrl+Enter asks. Escape stops.</p>
    <div class="row">
      <${Choice} id="mixture" label="Mixture" value=${choice.model} mixtures=${mixtures}
        choose=${(model) => set({ model, options: {} })} />
      <label class="check"><input type="checkbox" checked=${choice.compare}
        onChange=${(event) => set({ compare: event.target.checked })} /> Compare</label>
      ${choice.compare && html`<${Choice} id="other" label="With" value=${choice.other} mixtures=${mixtures}
        choose=${(other) => set({ other })} />`}
      <button type="submit" disabled=${running || !choice.question.trim()}>Ask</button>
      <button type="button" disabled=${!running} onClick=${onStop}>Stop</button>
    </div>
    <${Options} model=${mixtures.find(({ id }) => id === choice.model)} options=${choice.options}
      change=${(options) => set({ options })} />
  </form>`;
};

export const KeyForm = ({ told, onKey }) => {
  const submit = (event) => { event.preventDefault(); onKey(new FormData(event.target).get("key")); };
  return html`<form class="key" onSubmit=${submit}>
    <p role="alert">${told}</p>
    <label for="key">Key</label>
    <input id="key" name="key" type="password" autocomplete="off" required />
    <button type="submit">Go on</button>
    <p class="hint">It stays in this page's memory, and is gone when the page is closed.</p>
  </form>`;
};
