// A chat like agent-chat-ui's: LangGraph's React hook, each message a line, each streamed state of it written down.
// check.mjs says whose hook it is.

import { useStream } from "use-stream";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

const parameters = new URLSearchParams(window.location.search);

function Chat() {
  const [question, setQuestion] = useState("");
  const chat = useStream({ apiUrl: parameters.get("server"), assistantId: parameters.get("graph"), messagesKey: "messages" });
  const lines = chat.messages.map((message) => ({ id: message.id, type: message.type, text: message.text ?? message.content }));

  useEffect(() => {
    window.seen = [...(window.seen ?? []), lines];
  }, [JSON.stringify(lines)]);

  function ask(event) {
    event.preventDefault();
    chat.submit({ messages: [{ type: "human", content: question }] });
    setQuestion("");
  }

  return (
    <main style={{ font: "16px/1.5 sans-serif", maxWidth: 640, margin: "2em auto" }}>
      {lines.map((line) => (
        <p key={line.id} data-type={line.type} style={{ background: line.type === "ai" ? "#eef" : "#efe", padding: 8 }}>
          <b>{line.type}</b> <span style={{ whiteSpace: "pre-wrap" }}>{line.text}</span>
        </p>
      ))}
      {chat.error ? <p data-type="error">{String(chat.error)}</p> : null}
      <form onSubmit={ask}>
        <input id="question" value={question} onChange={(event) => setQuestion(event.target.value)} size={60} />
        <button disabled={chat.isLoading}>{chat.isLoading ? "…" : "Ask"}</button>
      </form>
    </main>
  );
}

createRoot(document.getElementById("root")).render(<Chat />);
