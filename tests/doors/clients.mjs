// Clients in Node against a door: NODE_MODULES=DIRECTORY node clients.mjs URL. Needs: npm i openai ai @ai-sdk/openai-compatible
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_MODULES ? `${process.env.NODE_MODULES}/` : import.meta.url);
const url = process.argv[2];
const content = "What is 17 * 24 + 3?";

const { OpenAI } = require("openai");
const client = new OpenAI({ baseURL: url, apiKey: "none" });
let text = "";
const stream = await client.chat.completions.create({ model: "moa/council", stream: true, messages: [{ role: "user", content }] });
for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
assert.match(text, /411/);
assert.match((await client.responses.create({ model: "moa/council", input: content })).output_text, /411/);
console.log("OpenAI's SDK: ok");

const { streamText } = require("ai");
const { createOpenAICompatible } = require("@ai-sdk/openai-compatible");
const provider = createOpenAICompatible({ name: "moa", baseURL: url, apiKey: "none" });
const result = streamText({ model: provider("moa/council"), prompt: content });
assert.match(await result.text, /411/);
assert.match(await result.reasoningText, /411/);
console.log("Vercel's AI SDK: ok, with the panel as reasoning");
