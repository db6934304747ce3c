// The answer, and sentence by sentence which proposals it is like.
import { useMemo } from "preact/hooks";
import { html } from "./html.js";
import { standing } from "./likeness.js";
import { Markdown } from "./markdown.js";
import { dollars, isOver, proposalsOf } from "./run.js";

const Sentences = ({ run }) => {
  const found = useMemo(() => standing(run.answer, proposalsOf(run)), [run]);
  if (!proposalsOf(run).length) return null;
  return html`<details class="standing" open>
    <summary>Which proposals each sentence is like</summary>
    <p class="caveat">By likeness of words alone: a proposal is named where it holds at least half of a sentence's words.
      That says neither where a sentence comes from nor whether it is true.</p>
    <ol>${found.map(({ sentence, alike }) => html`<li>
      <span>${sentence}</span>${" "}
      ${alike.length ? alike.map(({ name, stage, share }) =>
        html`<span class="chip" title=${stage}>${name} ${Math.round(share * 100)} %</span> `)
        : html`<span class="chip none">like none</span>`}
    </li>`)}</ol>
  </details>`;
};

const Totals = ({ run }) => {
  const { report } = run;
  if (!report) return null;
  const { usage } = report;
  const cost = report.cost === null ? `${dollars(report.known_cost)} plus calls of unknown price` : dollars(report.cost);
  return html`<p class="totals">${report.calls} calls, ${report.seconds.toFixed(1)} s, ${usage.input + usage.output} tokens,
    ${" "}${cost}${report.simulated && " (simulated models)"}${report.ended_early && ` · ended early: ${report.ended_early}`}
    ${report.degraded.map((why) => html`<br /><strong>Degraded:</strong> ${why}`)}</p>`;
};

const STATUS = {
  asking: "The panel is at work.", writing: "The answer is being written.", answered: "Done.",
  stopped: "Stopped.", failed: "The run failed.",
};

export const Answer = ({ run }) => html`<section class="answer">
  <h3>Answer</h3>
  <p class="status ${run.state}" role="status">${STATUS[run.state]}</p>
  ${run.error && html`<p class="failure" role="alert">${run.error}</p>`}
  ${run.answer && (isOver(run) ? html`<${Markdown} text=${run.answer} />` : html`<p class="plain">${run.answer}</p>`)}
  <${Totals} run=${run} />
  ${run.state === "answered" && html`<${Sentences} run=${run} />`}
</section>`;
