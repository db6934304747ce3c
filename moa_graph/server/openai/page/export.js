// A run as a file, made here and kept by whoever reads: nothing is sent anywhere.
import { dollars, labelOf } from "./run.js";

const fence = (text) => {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const ticks = "`".repeat(longest + 1);
  return `${ticks}text\n${text}\n${ticks}`;
};

export function asMarkdown(runs) {
  const parts = [];
  for (const run of runs) {
    parts.push(`# ${run.model}`, `Asked ${run.started}:`, fence(run.question), "## Answer", run.answer || run.error || "");
    for (const stage of run.stages) {
      parts.push(`## ${stage.name}`);
      for (const slot of stage.slots) {
        const told = slot.failure ? `${slot.failure.kind}: ${slot.failure.message}` : slot.text;
        const figures = [slot.seconds === null ? null : `${slot.seconds.toFixed(1)} s`,
          slot.tokens === null ? null : `${slot.tokens} tokens`, dollars(slot.cost)].filter(Boolean).join(", ");
        parts.push(`### ${labelOf(slot)} (${slot.state}; ${figures})`, fence(told));
      }
    }
  }
  return parts.join("\n\n") + "\n";
}

export const asJson = (runs) => JSON.stringify(runs.length === 1 ? runs[0] : { compared: runs }, null, 2) + "\n";

export function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
