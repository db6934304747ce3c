// The page: asks one mixture, or two side by side, and shows them at work.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Answer } from "./answer.js";
import { ask, listMixtures, Refused } from "./api.js";
import { asJson, asMarkdown, save } from "./export.js";
import { Form, KeyForm } from "./form.js";
import { html } from "./html.js";
import { isOver, newRun, withChunk } from "./run.js";
import { Layers } from "./slots.js";

/** The runs that are shown, and what can be done with them. */
function useRuns(key) {
  const [runs, setRuns] = useState([]);
  const stopping = useRef(null);
  const change = (index, next) => setRuns((all) => all.map((run, at) => at === index ? next(run) : run));

  async function follow(index, request) {
    try {
      for await (const chunk of ask(request)) change(index, (run) => withChunk(run, chunk));
      change(index, (run) => isOver(run) ? run : { ...run, state: "failed", error: "The connection ended too early." });
    } catch (error) {
      const stopped = request.signal.aborted;
      const told = error instanceof Refused ? error.message : "The server can't be reached.";
      change(index, (run) => ({ ...run, state: stopped ? "stopped" : "failed", error: stopped ? null : told }));
    }
  }

  function start(models, question, options) {
    stopping.current = new AbortController();
    const { signal } = stopping.current;
    // A mixture's options name its own models: the other one runs as it is described.
    setRuns(models.map((model, index) => newRun(model, question, index ? {} : options)));
    models.forEach((model, index) => follow(index, { model, question, options: index ? {} : options, key, signal }));
  }

  return { runs, start, stop: () => stopping.current?.abort() };
}

const Pane = ({ run }) => html`<article class="pane" aria-label=${`Run of ${run.model}`}>
  <h2>${run.model}</h2>
  <${Layers} stages=${run.stages} over=${isOver(run)} name=${run.model} />
  <${Answer} run=${run} />
</article>`;

const Saving = ({ runs }) => html`<p class="saving">
  <button type="button" onClick=${() => save("run.json", "application/json", asJson(runs))}>Save as JSON</button>
  <button type="button" onClick=${() => save("run.md", "text/markdown", asMarkdown(runs))}>Save as Markdown</button>
</p>`;

function Page({ mixtures, secret }) {
  const [choice, setChoice] = useState({
    question: "", model: mixtures[0].id, other: (mixtures[1] ?? mixtures[0]).id, compare: false, options: {},
  });
  const { runs, start, stop } = useRuns(secret);
  const running = runs.some((run) => !isOver(run));
  useEffect(() => {
    const onKey = (event) => { if (event.key === "Escape") stop(); };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const onAsk = () => {
    if (running) return;
    const chosen = Object.fromEntries(Object.entries(choice.options).filter(([, value]) => value !== undefined));
    start(choice.compare ? [choice.model, choice.other] : [choice.model], choice.question, chosen);
  };
  return html`
    <${Form} mixtures=${mixtures} choice=${choice} change=${setChoice} running=${running} onAsk=${onAsk} onStop=${stop} />
    <div class="panes ${runs.length > 1 ? "two" : "one"}">
      ${runs.map((run, index) => html`<${Pane} key=${index} run=${run} />`)}
    </div>
    ${runs.length > 0 && !running && html`<${Saving} runs=${runs} />`}`;
}

function App() {
  const [secret, setSecret] = useState(null);
  const [mixtures, setMixtures] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    setProblem(null);
    listMixtures(secret).then(setMixtures, (error) => setProblem(error));
  }, [secret]);
  const needsKey = problem instanceof Refused && problem.status === 401;
  return html`<header class="top"><h1>A mixture at work</h1>
      <p>Several models answer side by side; one writes the answer from what they say.</p></header>
    <main>
      ${needsKey && html`<${KeyForm} told=${problem.message} onKey=${setSecret} />`}
      ${problem && !needsKey && html`<p class="failure" role="alert">${problem instanceof Refused
        ? problem.message : "The server can't be reached."}</p>`}
      ${!problem && mixtures?.length > 0 && html`<${Page} mixtures=${mixtures} secret=${secret} />`}
      ${!problem && mixtures === null && html`<p role="status">Looking for mixtures…</p>`}
    </main>`;
}

render(html`<${App} />`, document.getElementById("app"));
