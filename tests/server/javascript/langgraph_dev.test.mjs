// The JavaScript twin of test_langgraph_dev.py, which starts the server and names its address in SERVER_URL.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Client } from "@langchain/langgraph-sdk";

const client = new Client({ apiUrl: process.env.SERVER_URL });
const question = { messages: [{ role: "user", content: "What is 17 * 24 + 3?" }] };

async function newThread() {
  return (await client.threads.create()).thread_id;
}

async function streamed(streamMode, thread = null) {
  const parts = [];
  for await (const part of client.runs.stream(thread, "custom", { input: question, streamMode })) parts.push(part);
  return parts;
}

function types(messages) {
  return messages.map((message) => message.type);
}

test("schemas name the options with their limits", async () => {
  const [assistant] = await client.assistants.search({ graphId: "custom", metadata: { created_by: "system" } });
  const schemas = await client.assistants.getSchemas(assistant.assistant_id);
  assert.equal(schemas.context_schema.properties.quorum.title, "Quorum");
  assert.equal(schemas.context_schema.properties.quorum.anyOf[0].maximum, 3);
});

test("an assistant's options hold", async () => {
  const context = { aggregator: "swift" };
  const assistant = await client.assistants.create({ graphId: "custom", context, name: "written by swift, too" });
  const output = await client.runs.wait(null, assistant.assistant_id, { input: question });
  assert.equal(output.messages.at(-1).response_metadata.model_name, "openai:swift");
});

test("values end with the answer", async () => {
  const last = (await streamed("values")).at(-1);
  assert.match(last.data.messages.at(-1).content, /Answer: 411$/);
});

test("updates come from each node", async () => {
  const parts = (await streamed("updates")).filter((part) => part.event === "updates");
  assert.ok(parts.some((part) => "layer_1/swift" in part.data));
  assert.ok(parts.some((part) => "finish" in part.data));
});

test("only the answer's tokens are streamed, under one id", async () => {
  const tokens = (await streamed("messages-tuple")).filter((part) => part.event === "messages").map((part) => part.data[0]);
  assert.ok(tokens.length > 1);
  assert.equal(new Set(tokens.map((token) => token.id)).size, 1);
});

test("custom events tell of each call", async () => {
  const told = (await streamed("custom")).filter((part) => part.event === "custom").map((part) => part.data.type);
  assert.equal(told.filter((type) => type === "call_started").length, 4);
  assert.equal(told.at(-1), "run_finished");
});

test("LangChain's events name the model runs", async () => {
  const events = (await streamed("events")).filter((part) => part.event === "events").map((part) => part.data);
  assert.ok(events.some((event) => event.event === "on_chat_model_start" && event.name === "layer_1/swift"));
});

test("a run can be cancelled", async () => {
  const thread = await newThread();
  const run = await client.runs.create(thread, "custom", { input: question, context: { quorum: 3 } });
  await client.runs.cancel(thread, run.run_id, true);
  assert.equal((await client.runs.get(thread, run.run_id)).status, "interrupted");
});

test("a conversation has one answer a turn", async () => {
  const thread = await newThread();
  await client.runs.wait(thread, "custom", { input: question });
  const again = { messages: [{ role: "user", content: "What is 2 + 40?" }] };
  const output = await client.runs.wait(thread, "custom", { input: again });
  assert.deepEqual(types(output.messages), ["human", "ai", "human", "ai"]);
});

test("an edited proposal is what a fork goes on with", async () => {
  const thread = await newThread();
  await client.runs.wait(thread, "custom", { input: question });
  const history = await client.threads.getHistory(thread);
  const before = history.find((state) => state.next[0] === "layer_1/join");
  const live = before.values.records.filter((record) => record.status === "live");
  const { checkpoint } = await client.threads.updateState(thread, {
    values: { records: live.map(({ id }) => ({ id, text: "It is 1000.\n\nAnswer: 1000" })) },
    asNode: "layer_1/swift",
    checkpoint: before.checkpoint,
  });
  const output = await client.runs.wait(thread, "custom", { input: null, checkpoint });
  assert.match(output.messages.at(-1).content, /Answer: 1000$/);
  assert.deepEqual(types(output.messages), ["human", "ai"]);
});
