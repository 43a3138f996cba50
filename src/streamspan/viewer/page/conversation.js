// A call as a conversation: what was asked, what was thought, what was said, which tools were called.

import { copyButton } from "./copying.js";
import { fill, h } from "./dom.js";
import { bytes, count } from "./format.js";
import { code, plain, prose } from "./prose.js";
import { line, visible } from "./visible.js";

const LONG = 1_600; // characters of an input that is folded at first
const ROLES = {
  system: "System",
  developer: "Developer",
  user: "User",
  assistant: "Assistant",
  model: "Assistant",
  tool: "Tool",
  function: "Tool",
};

// detail: what the server says of a call; isPlain: no Markdown.
export function conversation(detail, { isPlain }) {
  const show = isPlain ? plain : prose;
  return [
    tools(detail.tools),
    detail.system?.length > 0 && turn("system", { parts: detail.system }, show, { isLong: true }),
    (detail.input ?? []).map((message) => turn(message.role ?? "user", message, show, { isLong: true })),
    (detail.output ?? []).map((message) => turn(message.role ?? "assistant", message, show, { isOutput: true })),
  ];
}

// The answer of a call that runs: its node is kept, and only its text is written anew.
export function growing() {
  const text = h("p", { class: "growing", dir: "auto" });
  const node = h(
    "article",
    { class: "turn", "data-role": "assistant", "data-output": "" },
    h("header", {}, h("h3", {}, "Assistant"), h("span", { class: "weak" }, "still speaking")),
    h("div", { class: "said" }, text),
  );
  return { node, set: (said) => fill(text, visible(said)) };
}

function turn(role, message, show, { isLong = false, isOutput = false } = {}) {
  const parts = partsOf(message);
  const text = parts.map(textOf).filter(Boolean).join("\n\n");
  const said = h(
    "div",
    { class: "said" },
    parts.map((part) => shownPart(part, show)),
  );
  if (parts.length === 0) said.append(h("p", { class: "weak" }, "Nothing."));
  const reason = message.finish_reason;
  const header = h(
    "header",
    {},
    h("h3", {}, ROLES[role] ?? line(role)),
    message.name && h("span", { class: "weak" }, line(message.name)),
    reason && h("span", { class: "tag", title: "Why it ended" }, line(reason)),
    text && copyButton(() => text, "Copy this message"),
  );
  const node = h("article", { class: "turn", "data-role": ROLES[role] ? role : "other", "data-output": isOutput }, header, said);
  if (isLong && (text.length > LONG || text.split("\n").length > 24)) foldUp(said, text);
  return node;
}

function foldUp(said, text) {
  said.dataset.folded = "";
  const button = h(
    "button",
    { class: "button unfold", type: "button", "aria-expanded": "false" },
    `Show all ${count(text.length)} characters`,
  );
  button.addEventListener("click", () => {
    delete said.dataset.folded;
    button.remove();
  });
  said.after(button);
}

function partsOf(message) {
  if (Array.isArray(message.parts)) return message.parts;
  const content = message.content ?? message.parts;
  if (typeof content === "string") return [{ type: "text", content }];
  if (Array.isArray(content)) return content;
  return content ? [content] : [];
}

function textOf(part) {
  if (typeof part === "string") return part;
  const content = part.content ?? part.text;
  if (part.type === "text" || part.type === "reasoning") return typeof content === "string" ? content : "";
  if (part.type === "tool_call") return `${part.name}(${pretty(part.arguments)})`;
  if (part.type === "tool_call_response") return pretty(part.response ?? part.result);
  return "";
}

function shownPart(part, show) {
  if (typeof part === "string") return show(part);
  switch (part?.type) {
    case "text":
      return show(String(part.content ?? part.text ?? ""));
    case "reasoning":
    case "thinking":
      return reasoning(String(part.content ?? part.text ?? ""));
    case "tool_call":
    case "server_tool_call":
      return toolCall(part);
    case "tool_call_response":
    case "server_tool_call_response":
      return response(part);
    case "blob":
    case "uri":
    case "file":
      return media(part);
    default:
      return folded(line(part?.type ?? "part"), code("json", pretty(part)));
  }
}

function reasoning(text) {
  if (!text.trim()) return h("p", { class: "weak" }, "Reasoning that the provider keeps to itself.");
  return folded("Reasoning", h("div", { class: "thought" }, plain(text)), `${count(text.length)} characters`);
}

function toolCall(part) {
  const given = part.arguments ?? part[part.type]?.arguments ?? part.server_tool_call;
  const isEmpty = given === undefined || given === null || given === "" || pretty(given) === "{}";
  return h(
    "div",
    { class: "call" },
    h(
      "p",
      { class: "call-name" },
      h("span", { class: "weak" }, "calls "),
      h("code", {}, line(part.name ?? "a tool")),
      part.id && h("span", { class: "weak id" }, line(part.id)),
    ),
    !isEmpty && code("json", pretty(given)),
  );
}

function response(part) {
  const given = part.response ?? part.result ?? part.server_tool_call_response;
  return h(
    "div",
    { class: "call" },
    h(
      "p",
      { class: "call-name" },
      h("span", { class: "weak" }, "answers "),
      part.id && h("span", { class: "weak id" }, line(part.id)),
    ),
    code("json", pretty(given)),
  );
}

// Never loaded: what the address of a picture is of is not this page's business.
function media(part) {
  const size = typeof part.content === "string" ? bytes(Math.floor(part.content.length * 0.75)) : "";
  const said = [part.modality ?? part.type, part.mime_type, size, part.uri ?? part.file_id].filter(Boolean);
  return h("p", { class: "media" }, line(said.join(" \u00b7 ")));
}

function tools(found) {
  if (!found?.length) return null;
  const names = found.map((tool) => line(tool.name ?? tool.function?.name ?? tool.type ?? "tool")).join(", ");
  return h(
    "div",
    { class: "offered" },
    folded(`${found.length === 1 ? "1 tool" : `${found.length} tools`} on offer`, code("json", pretty(found)), names),
  );
}

function folded(title, content, note) {
  return h("details", { class: "folded" }, h("summary", {}, title, note && h("span", { class: "weak" }, ` ${note}`)), content);
}

function pretty(value) {
  if (typeof value !== "string") return JSON.stringify(value, null, 2) ?? "";
  try {
    const parsed = JSON.parse(value);
    return typeof parsed === "object" ? JSON.stringify(parsed, null, 2) : value;
  } catch {
    return value;
  }
}
