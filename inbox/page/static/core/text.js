/**
 * What customers write, as a tree. Text becomes nodes, never markup; every function reads its text once.
 * @typedef {{type: "text"|"code"|"block", text: string}} Plain
 * @typedef {{type: "link", href: string, text: string}} Link
 * @typedef {{type: "bold"|"italic"|"strike", nodes: Node[]}} Marked
 * @typedef {Plain|Link|Marked} Node
 */

const MARKS = /** @type {Record<string, "bold"|"italic"|"strike">} */ ({ "*": "bold", _: "italic", "~": "strike" });
const WORD = /[\p{L}\p{N}]/u;
const SPACE = /\s/u;
const LINK = /https?:\/\/[^\s<>"]+/giu;
const LINK_LENGTH = 2048;

/** Without accents and capitals, to look for something. @param {string} text */
export const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** Whether there is anything to see in a text: not only blanks, marks of direction and fillers. @param {string} text */
export const isVisible = (text) => /[^\s\p{Z}\p{Cc}\p{Cf}\u2800\u3164\u115f\u1160\uffa0\ufe00-\ufe0f]/u.test(text);

/** How long a text is, as our server counts: an emoji of two units is one character. @param {string} text */
export function lengthOf(text) {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

/** Text with WhatsApp's marks and with links. @param {string} text @returns {Node[]} */
export function parse(text) {
  /** @type {Node[]} */
  const nodes = [];
  // ``` is a block of its own, over lines; nothing else is.
  const pieces = text.split("```");
  const last = pieces.length % 2 === 0 ? pieces.length - 2 : pieces.length - 1; // an opener without an end is text
  for (let at = 0; at <= last; at += 1) {
    const rest = at === last ? pieces.slice(at).join("```") : pieces[at];
    if (at % 2 === 1 && at < last) nodes.push({ type: "block", text: pieces[at].replace(/^\n|\n$/g, "") });
    else nodes.push(...inline(rest));
  }
  return joined(nodes);
}

/** @param {string} text @returns {Node[]} */
function inline(text) {
  const links = linksIn(text);
  /** @type {{mark: string, at: number, nodes: Node[]}[]} what is open, outermost first */
  const open = [];
  /** @type {Node[]} */
  let nodes = [];
  let from = 0;
  let link = 0;

  /** @param {number} to */
  const flush = (to) => {
    if (to > from) nodes.push({ type: "text", text: text.slice(from, to) });
  };
  /** Turn the innermost opener back into a character. */
  const undo = () => {
    const { mark, nodes: before } = /** @type {{mark: string, nodes: Node[]}} */ (open.pop());
    nodes = before.concat({ type: "text", text: mark }, nodes);
  };
  /** @param {number} at */
  const opens = (at) =>
    !WORD.test(text[at - 1] ?? " ") && at + 1 < text.length && !SPACE.test(text[at + 1]) && text[at + 1] !== text[at];
  /** @param {number} at */
  const closes = (at) => at > 0 && !SPACE.test(text[at - 1]) && !WORD.test(text[at + 1] ?? " ");

  for (let at = 0; at < text.length;) {
    if (link < links.length && links[link].at === at) {
      flush(at);
      nodes.push({ type: "link", href: links[link].href, text: links[link].text });
      at = from = at + links[link].length;
      link += 1;
      continue;
    }
    const sign = text[at];
    if (sign === "\n") {
      flush(at);
      from = at;
      while (open.length > 0) undo(); // marks do not reach over lines
    } else if (sign === "`") {
      const end = codeEnd(text, at);
      if (end > 0) {
        flush(at);
        nodes.push({ type: "code", text: text.slice(at + 1, end) });
        at = from = end + 1;
        while (link < links.length && links[link].at < at) link += 1;
        continue;
      }
    } else if (sign in MARKS) {
      const depth = open.findIndex((each) => each.mark === sign);
      if (depth >= 0 && closes(at)) {
        flush(at);
        from = at + 1;
        while (open.length > depth + 1) undo();
        const { nodes: before } = /** @type {{nodes: Node[]}} */ (open.pop());
        before.push({ type: MARKS[sign], nodes: joined(nodes) });
        nodes = before;
      } else if (depth < 0 && opens(at)) {
        flush(at);
        from = at + 1;
        open.push({ mark: sign, at, nodes });
        nodes = [];
      }
    }
    at += 1;
  }
  flush(text.length);
  while (open.length > 0) undo();
  return nodes;
}

/**
 * Where code that begins at a backtick ends, on the same line; -1: it is none.
 * @param {string} text @param {number} at
 */
function codeEnd(text, at) {
  for (let end = at + 1; end < text.length && end - at < LINK_LENGTH; end += 1) {
    if (text[end] === "\n") return -1;
    if (text[end] === "`") return end > at + 1 ? end : -1;
  }
  return -1;
}

/** Links in a text, in order. Punctuation that ends a sentence is not theirs. @param {string} text */
function linksIn(text) {
  const found = [];
  for (const match of text.matchAll(LINK)) {
    const text = trimmed(match[0]);
    const href = text.length <= LINK_LENGTH ? safeAddress(text) : null;
    if (href !== null) found.push({ at: match.index, length: text.length, href, text: shownAddress(text, href) });
  }
  return found;
}

/** @param {string} link */
function trimmed(link) {
  let end = link.length;
  for (; end > 0; end -= 1) {
    const sign = link[end - 1];
    if (".,;:!?'*_~`".includes(sign)) continue;
    if (sign === ")" && !link.slice(0, end).includes("(")) continue;
    break;
  }
  return link.slice(0, end);
}

/** The address of a link that may be opened; null for others. @param {string} link @returns {string|null} */
export function safeAddress(link) {
  try {
    const url = new URL(link);
    return (url.protocol === "http:" || url.protocol === "https:") && url.username === "" && url.password === ""
      ? url.href
      : null;
  } catch {
    return null;
  }
}

const SCRIPTS = [
  "Latin",
  "Cyrillic",
  "Greek",
  "Armenian",
  "Hebrew",
  "Arabic",
  "Han",
  "Hiragana",
  "Katakana",
  "Hangul",
  "Thai",
  "Devanagari",
].map((script) => new RegExp(`\\p{Script=${script}}`, "u"));
const TOGETHER = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Latin}\p{N}.:-]*$/u; // Japanese mixes

/**
 * A link as it is shown: letters of several scripts in one host are shown as they are looked up.
 * @param {string} link @param {string} href
 */
function shownAddress(link, href) {
  const host = link.replace(/^https?:\/\//i, "").split(/[/?#]/)[0];
  const mixed = host
    .split(".")
    .some((label) => !TOGETHER.test(label) && SCRIPTS.filter((script) => script.test(label)).length > 1);
  const odd = /[^\p{L}\p{M}\p{N}.:[\]-]/u.test(host); // marks of direction, and signs that look like dots or slashes
  return mixed || odd ? href : link;
}

/** @param {Node[]} nodes @returns {Node[]} with neighbouring texts in one */
function joined(nodes) {
  /** @type {Node[]} */
  const all = [];
  /** @type {string[]} */
  let texts = [];
  const flush = () => {
    if (texts.length > 0) all.push({ type: "text", text: texts.join("") });
    texts = [];
  };
  for (const node of nodes) {
    if (node.type === "text") texts.push(node.text);
    else {
      flush();
      all.push(node);
    }
  }
  flush();
  return all;
}

const LINES = 20;
const CHARACTERS = 1500;

/** What of a long text is shown at first; null: all of it. @param {string} text @returns {string|null} */
export function folded(text) {
  let lines = 0;
  let end = Math.min(text.length, CHARACTERS);
  for (let at = 0; at < end; at += 1) {
    if (text[at] !== "\n") continue;
    lines += 1;
    if (lines === LINES) end = at;
  }
  if (end >= text.length) return null;
  if (end === CHARACTERS) {
    const space = text.lastIndexOf(" ", end);
    if (space > end - 40) end = space;
    else if (/[\ud800-\udbff]/.test(text[end - 1])) end -= 1; // not through the middle of a sign
  }
  return text.slice(0, end);
}

/** Marks that turn the direction of what follows. */
const CONTROLS = /** @type {Record<string, string>} */ ({
  "\u202a": "LRE",
  "\u202b": "RLE",
  "\u202c": "PDF",
  "\u202d": "LRO",
  "\u202e": "RLO",
  "\u2066": "LRI",
  "\u2067": "RLI",
  "\u2068": "FSI",
  "\u2069": "PDI",
});

/** A name within a sentence that can hold no element: it runs its own way and turns nothing around it. @param {string} name */
export const isolated = (name) => `\u2068${name.replace(/[\u202a-\u202e\u2066-\u2069]/g, "")}\u2069`;

/** A name or file name in pieces: its text, and the marks of direction in it by their names.
 * @param {string} name @returns {({text: string}|{control: string})[]} */
export function nameParts(name) {
  return name
    .split(/([\u202a-\u202e\u2066-\u2069])/)
    .filter((part) => part !== "")
    .map((part) => (part in CONTROLS ? { control: CONTROLS[part] } : { text: part }));
}

/** One line of a text, for the list and notifications. @param {string} text @param {number} [most] */
export function oneLine(text, most = 200) {
  return text
    .slice(0, most * 2)
    .replace(/\s+/gu, " ")
    .trim()
    .slice(0, most);
}
