/**
 * Writing into a text field as its writer would: through the browser's own undo stack, so Ctrl+Z takes it back (B9).
 */

/**
 * Puts text in the place of `from`…`to`, or of what is selected.
 * @param {HTMLTextAreaElement} field
 * @param {string} text
 * @param {number} [from]
 * @param {number} [to]
 */
export function insert(field, text, from = field.selectionStart, to = field.selectionEnd) {
  field.focus();
  field.setSelectionRange(from, to);
  // The one way into the undo stack; browsers keep it, though its standard calls it obsolete.
  if (document.execCommand("insertText", false, text)) return;
  field.setRangeText(text, from, to, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

const SHORTCUT = /^\/(\S{0,40})$/u;

/**
 * What is being typed and asks for suggestions: "/" and a shortcut that is all of the text, or all that stands before
 * the cursor; before the cursor ":" and a name of two letters or more; null when nothing does.
 * @param {string} text
 * @param {number} cursor
 * @returns {{ kind: "canned" | "emoji", from: number, word: string } | null}
 */
export function askedAt(text, cursor) {
  const before = text.slice(0, cursor);
  const canned = SHORTCUT.exec(text) ?? SHORTCUT.exec(before);
  if (canned) return { kind: "canned", from: 0, word: canned[1] };
  const emoji = /(?:^|\s):([\p{L}\p{N}_+-]{2,30})$/u.exec(before);
  return emoji ? { kind: "emoji", from: cursor - emoji[1].length - 1, word: emoji[1] } : null;
}
