// Model output is untrusted text. HTML in it is shown as the text that it is; the rest becomes HTML by marked, and only
// what DOMPurify leaves of that is shown. Pictures are left out, as they would tell their server who reads this.
import { marked } from "marked";
import { useMemo } from "preact/hooks";
import { html } from "./html.js";

const escaped = (text) => text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);

marked.use({
  gfm: true,
  breaks: true,
  renderer: { html: ({ text }) => escaped(text), image: ({ text, href }) => escaped(`[picture: ${text || href}]`) },
});

const { DOMPurify } = window;

const RULES = {
  USE_PROFILES: { html: true },
  FORBID_TAGS: ["img", "picture", "video", "audio", "source", "style", "form", "input", "button", "textarea", "select", "svg",
    "math", "iframe", "object", "embed", "dialog"],
  FORBID_ATTR: ["style", "class", "id", "name", "srcset", "ping", "target"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A" && node.hasAttribute("href")) {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  }
  if (/^H[1-6]$/.test(node.tagName)) { // the page has its own headings
    const paragraph = node.ownerDocument.createElement("p");
    paragraph.append(...node.childNodes);
    node.replaceWith(paragraph);
  }
});

export const safeHtml = (text) => DOMPurify.sanitize(marked.parse(text), RULES);

export const Markdown = ({ text }) => {
  const safe = useMemo(() => safeHtml(text), [text]);
  return html`<div class="markdown" dangerouslySetInnerHTML=${{ __html: safe }}></div>`;
};
