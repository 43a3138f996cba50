// Just enough Markdown to read an answer by: fenced code, headings, `code` and **bold**. Made of elements and text, never of HTML.
// No link and no image: an address that a model wrote is text.

import { h } from "./dom.js";
import { visible } from "./visible.js";

const FENCE = /^(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^\n]*\n([\s\S]*?)(?:^\1[ \t]*$\n?|(?![\s\S]))/gm;
const INLINE = /(`+)([^`\n]+?)\1|\*\*([^*\n]+?)\*\*/g;
const PIECE = 4_000;
const HEADING = /^(#{1,6}) (.+)$/;

export function prose(text) {
  const shown = visible(text);
  const nodes = [];
  let end = 0;
  for (const fence of shown.matchAll(FENCE)) {
    nodes.push(...paragraphs(shown.slice(end, fence.index)), code(fence[2], fence[3]));
    end = fence.index + fence[0].length;
  }
  return [...nodes, ...paragraphs(shown.slice(end))];
}

export const plain = (text) => pieces(visible(text)).map((piece) => h("p", { class: "piece", dir: "auto" }, piece));

export function code(language, text) {
  return h(
    "pre",
    { class: "code", tabindex: "0", "data-language": language || undefined },
    h("code", {}, visible(text).replace(/\n$/, "")),
  );
}

function paragraphs(text) {
  return text
    .split(/\n{2,}/)
    .filter((block) => block.trim())
    .map((block) => paragraph(block.replace(/^\n+|\n+$/g, "")));
}

function paragraph(block) {
  const heading = HEADING.exec(block);
  if (heading) return h("p", { class: "title", dir: "auto" }, inline(heading[2]));
  const [first, ...rest] = pieces(block);
  if (rest.length === 0) return h("p", { dir: "auto" }, inline(block));
  return h(
    "div",
    {},
    [first, ...rest].map((piece) => h("p", { class: "piece", dir: "auto" }, inline(piece))),
  );
}

// A browser needs seconds for a paragraph of a megabyte. In pieces, which end where words or lines do, it lays out what is in sight.
function pieces(text) {
  const found = [];
  let start = 0;
  while (text.length - start > PIECE) {
    const space = Math.max(text.lastIndexOf(" ", start + PIECE), text.lastIndexOf("\n", start + PIECE));
    let end = space > start ? space + 1 : start + PIECE;
    if (space <= start && /[\udc00-\udfff]/.test(text[end])) end -= 1; // within a character
    found.push(text.slice(start, end));
    start = end;
  }
  return [...found, text.slice(start)];
}

function inline(text) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    nodes.push(text.slice(end, found.index), found[3] === undefined ? h("code", {}, found[2]) : h("strong", {}, found[3]));
    end = found.index + found[0].length;
  }
  return [...nodes, text.slice(end)];
}
