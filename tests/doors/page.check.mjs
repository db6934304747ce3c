// Drives the page in Chromium with every other address blocked. Usage: node page.check.mjs URL PICTURES
// Needs playwright-core and axe-core from npm (found through NODE_PATH or node_modules), and chromium.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_MODULES ? `${process.env.NODE_MODULES}/` : import.meta.url);
const { chromium } = require("playwright-core");
const axeSource = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [url, pictures] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const blocked = [];
const problems = [];

async function open(options = {}) {
  const context = await browser.newContext({ acceptDownloads: true, bypassCSP: false, ...options });
  await context.route((address) => address.origin !== new URL(url).origin && address.protocol.startsWith("http"), (route) => {
    blocked.push(route.request().url());
    return route.abort();
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => { if (message.type() === "error") problems.push(message.text().slice(0, 300)); });
  await page.goto(url);
  await page.getByLabel("Question").waitFor();
  return page;
}

async function ask(page, mixture, question) {
  await page.locator("#mixture").selectOption(mixture);
  await page.getByLabel("Question").fill(question);
  await page.getByRole("button", { name: "Ask" }).click();
}

const over = (page) => page.locator(".status.answered, .status.failed, .status.stopped").first().waitFor({ timeout: 30000 });

async function axe(page, where) {
  // axe runs as an injected script, which the page's own policy forbids: a second context without it is used for axe alone.
  const { violations } = await page.evaluate(`${axeSource}; axe.run(document, { resultTypes: ["violations"] })`);
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  for (const { id, nodes } of serious) console.log(`axe ${where}: ${id}: ${nodes[0].html} ${nodes[0].failureSummary}`);
  assert.equal(serious.length, 0, `axe finds serious faults: ${where}`);
}

const steps = {
  async "asks and streams each slot's text while it is written"() {
    const page = await open({ viewport: { width: 1280, height: 900 } });
    await ask(page, "moa/slow", "Why is the sky blue, and what has the length of waves to do with it?");
    await page.locator(".slot.writing .plain").first().waitFor({ timeout: 10000 });
    const early = (await page.locator(".slot.writing .plain").first().textContent()).length;
    await page.waitForTimeout(400);
    const later = await page.locator(".stage").first().locator(".text").first().textContent();
    assert.ok(later.length > early, "a slot's text grows");
    await page.screenshot({ path: `${pictures}/working-1280.png`, fullPage: true });
    await over(page);
    assert.equal(await page.locator(".slot.answered").count(), 3);
    assert.match(await page.locator(".slot.failed").textContent(), /bad_request/);
    assert.ok(await page.locator(".standing li .chip:not(.none)").count() > 0, "a sentence names what it is like");
    await page.screenshot({ path: `${pictures}/answered-1280.png`, fullPage: true });
    await axe(page, "answered");
    const [json] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as JSON" }).click()]);
    const saved = JSON.parse(readFileSync(await json.path(), "utf8"));
    assert.equal(saved.report.mixture, "slow");
    assert.equal(saved.stages[0].slots.length, 3);
    const [markdown] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as Markdown" }).click()]);
    assert.match(readFileSync(await markdown.path(), "utf8"), /## Answer[\s\S]*### ada \(answered/);
    await page.context().close();
  },
  async "stops, by keyboard alone"() {
    const page = await open();
    await page.getByLabel("Question").focus();
    await page.keyboard.type("Tell me at length about rivers.");
    await page.keyboard.press("Control+Enter");
    await page.locator(".slot.asked, .slot.writing").first().waitFor();
    await page.keyboard.press("Escape");
    await page.locator(".status.stopped").waitFor({ timeout: 3000 });
    await page.context().close();
  },
  async "compares two mixtures side by side, in the dark and on a phone"() {
    for (const [name, width] of [["dark-1280", 1280], ["phone-390", 390]]) {
      const page = await open({ viewport: { width, height: 844 }, colorScheme: width === 1280 ? "dark" : "light" });
      await page.getByLabel("Compare").check();
      await page.locator("#other").selectOption("moa/hostile");
      await ask(page, "moa/slow", "Why is the sky blue?");
      await page.locator(".pane").nth(1).locator(".status.answered").waitFor({ timeout: 30000 });
      await page.locator(".pane").nth(0).locator(".status.answered").waitFor({ timeout: 30000 });
      await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
      const wide = await page.evaluate(() => [...document.querySelectorAll("body *")]
        .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".layers, .text, pre"))
        .map((one) => `${one.tagName}.${one.className}`));
      assert.deepEqual(wide, [], `nothing is wider than the window at ${width}`);
      await axe(page, name);
      await page.context().close();
    }
  },
  async "leaves an attack inert"() {
    const page = await open();
    const before = blocked.length;
    await ask(page, "moa/hostile", "Why is the sky blue?");
    await over(page);
    await page.waitForTimeout(300);
    assert.equal(await page.evaluate(() => window.attacked), undefined);
    const bad = "main script, main img, main svg, main iframe, main style, .markdown form, .markdown input, a[href^='javascript:']";
    assert.equal(await page.locator(bad).count(), 0);
    for (const link of await page.locator(".markdown a").all()) {
      if (await link.getAttribute("href") !== null) assert.match(await link.getAttribute("href"), /^https?:/);
    }
    assert.match(await page.locator(".answer .markdown").textContent(), /The sky is blue/);
    assert.equal(blocked.length, before, "nothing was asked of the network");
    await page.context().close();
  },
};

let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  try {
    await step();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}: ${error.stack}`);
  }
}
await browser.close();
for (const problem of problems) console.log(`in the page: ${problem}`);
if (blocked.length) console.log(`blocked: ${blocked.join(" ")}`);
process.exit(failed || problems.length ? 1 : 0);
