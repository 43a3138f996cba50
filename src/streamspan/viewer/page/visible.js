// Text of a model, made safe to look at: control characters (ANSI escapes among them) and characters that turn the direction of
// reading around are shown as signs, instead of doing what they say.

const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export function visible(text) {
  return String(text ?? "")
    .replace(/\r\n?/g, "\n")
    .replace(CONTROL, sign);
}

// The same on one line.
export const line = (text) => visible(text).replace(/\s+/g, " ").trim();

function sign(character) {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `\u27e8U+${code.toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
}
