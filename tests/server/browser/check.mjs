// Two turns in headless Chromium: node check.mjs SERVER_URL GRAPH CHROMIUM PACKAGE_OF_THE_HOOK [SCREENSHOT].
// Prints what was seen as JSON: the messages at the end, and each state of them on the way.

import { createServer } from "node:http";

import { build } from "esbuild";
import { chromium } from "playwright-core";

const [server, graph, executablePath, hook, screenshot] = process.argv.slice(2);
const questions = ["What is 17 * 24 + 3?", "What is 2 + 40?"];

const bundled = await build({
  entryPoints: ["chat.jsx"],
  alias: { "use-stream": hook },
  bundle: true,
  write: false,
  format: "esm",
  jsx: "automatic",
});
const page = `<!doctype html><meta charset="utf-8"><div id="root"></div><script type="module" src="/chat.js"></script>`;
const files = createServer((request, response) => {
  const script = request.url === "/chat.js";
  response.writeHead(200, { "content-type": script ? "text/javascript" : "text/html" });
  response.end(script ? bundled.outputFiles[0].text : page);
});
await new Promise((listening) => files.listen(0, "127.0.0.1", listening));

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const tab = await browser.newPage({ viewport: { width: 800, height: 600 } });
  const parameters = new URLSearchParams({ server, graph });
  await tab.goto(`http://127.0.0.1:${files.address().port}/?${parameters}`);
  for (const [turn, question] of questions.entries()) {
    await tab.fill("#question", question);
    await tab.click("button");
    const finished = (answers) =>
      document.querySelectorAll("[data-type=error]").length > 0 ||
      (document.querySelectorAll("[data-type=ai]").length >= answers && !document.querySelector("button").disabled);
    await tab.waitForFunction(finished, turn + 1, { timeout: 30_000 });
  }
  if (screenshot) await tab.screenshot({ path: screenshot });
  const errors = await tab.locator("[data-type=error]").allInnerTexts();
  const seen = await tab.evaluate(() => window.seen);
  console.log(JSON.stringify({ messages: seen.at(-1), seen, errors }));
} finally {
  await browser.close();
  files.close();
}
