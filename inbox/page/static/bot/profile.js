/** A bot's profile as a form holds it: read and written by JSON pointers, and compared. Nothing here draws. */

/**
 * A field of the form. `list` is one of rows, each with its own `fields`.
 * @typedef {{ pointer: string, kind?: "line" | "address" | "text" | "long" | "number" | "switch" | "list",
 *   fields?: { name: string, kind: "line" | "text" }[] }} FieldOf
 */

const template = (/** @type {string} */ part, /** @type {string[]} */ names, /** @type {"line" | "address" | "text"} */ kind = "text") =>
  names.map((name) => ({ pointer: `/template_config/${part}/${name}`, kind }));
const rows = (/** @type {string} */ pointer, /** @type {string} */ line, /** @type {string} */ text) => ({
  pointer,
  kind: /** @type {"list"} */ ("list"),
  fields: [
    { name: line, kind: /** @type {"line"} */ ("line") },
    { name: text, kind: /** @type {"text"} */ ("text") },
  ],
});

/** The sections, in the order in which somebody would tell a new colleague. @type {{ id: string, fields: FieldOf[] }[]} */
export const SECTIONS = [
  {
    id: "business",
    fields: [
      { pointer: "/business_name", kind: "line" },
      { pointer: "/description", kind: "text" },
      { pointer: "/address", kind: "line" },
      ...template("company", ["activity", "zone", "rendezvous"]),
      ...template("links", ["site", "products", "form"], "address"),
      ...template("links", ["other"]),
    ],
  },
  { id: "hours", fields: [{ pointer: "/hours", kind: "text" }, ...template("company", ["hours_block"])] },
  {
    id: "knowledge",
    fields: [
      { pointer: "/knowledge_base", kind: "long" },
      rows("/custom_fields", "label", "value"),
      rows("/template_config/procedures", "name", "steps"),
      rows("/template_config/special_cases", "case", "response"),
    ],
  },
  {
    id: "offers",
    fields: [
      rows("/template_config/offers", "category", "content"),
      ...template("conditions", ["zone", "payment", "engagement", "restrictions", "documents"]),
    ],
  },
  { id: "questions", fields: [rows("/template_config/faq", "question", "answer")] },
  {
    id: "limits",
    fields: [
      ...template("escalation", ["procedure"]),
      ...template("escalation", ["contact", "hours"], "line"),
      { pointer: "/fallback_message", kind: "text" },
      rows("/fallback_texts", "language", "text"),
      { pointer: "/max_answers_per_hour", kind: "number" },
      { pointer: "/reads_files", kind: "switch" },
      { pointer: "/model", kind: "line" },
    ],
  },
  {
    id: "style",
    fields: [
      { pointer: "/language", kind: "line" },
      ...template("system_rules", ["tone"], "line"),
      ...template("system_rules", ["role", "mission", "style", "priority", "response_policy", "security"]),
      { pointer: "/template_config/special_rules", kind: "text" },
    ],
  },
];

const FIELDS = SECTIONS.flatMap((section) => section.fields);
/** What the server adds to a profile, and does not take back. */
const OURS = ["id", "account_id", "updated_at"];

/** @param {string} pointer */
const path = (pointer) => pointer.split("/").slice(1);

/** What stands at a pointer; undefined when nothing does. @param {any} value @param {string} pointer @returns {any} */
export function at(value, pointer) {
  for (const name of path(pointer)) value = value?.[name];
  return value;
}

/** A copy with another value at a pointer. @param {any} whole @param {string} pointer @param {any} value @returns {any} */
export function put(whole, pointer, value) {
  const [name, ...rest] = path(pointer);
  const inner = rest.length ? put(whole?.[name] ?? {}, `/${rest.join("/")}`, value) : value;
  if (Array.isArray(whole)) return whole.map((each, index) => (String(index) === name ? inner : each));
  return { ...whole, [name]: inner };
}

/** How a field is called in the words: its pointer with dots. @param {string} pointer */
export const wordOf = (pointer) => path(pointer).filter((each) => each !== "template_config").join("_");

/** Empty is empty, however it is written; steps may be a list. @param {any} value @returns {any} */
function plain(value) {
  if (value === "" || value === null || value === undefined) return null;
  if (!Array.isArray(value)) return value;
  return value.map((each) => (typeof each === "object" ? Object.fromEntries(Object.entries(each).filter(([, inner]) => plain(inner) !== null)) : each));
}

/** @param {any} one @param {any} other */
const same = (one, other) => JSON.stringify(plain(one) ?? []) === JSON.stringify(plain(other) ?? []);

/** The fields that differ. @param {any} before @param {any} after @returns {string[]} their pointers */
export function changed(before, after) {
  return FIELDS.filter(({ pointer }) => !same(at(before, pointer), at(after, pointer))).map(({ pointer }) => pointer);
}

/** The body of PUT: all that is there, empty texts as null. @param {any} profile @returns {any} */
export function bodyOf(profile) {
  const content = Object.fromEntries(Object.entries(profile).filter(([name]) => !OURS.includes(name)));
  return JSON.parse(JSON.stringify(content, (_, value) => (value === "" ? null : value)), (name, value) => keptText(name, value));
}

/** What a list's own schema wants as text stays one. @param {string} name @param {any} value */
const keptText = (name, value) => (value === null && (name === "label" || name === "value") ? "" : value);

/** A web address with or without its beginning, as people write them: bakery.example, https://bakery.example/prices. */
const ADDRESS = /^(https?:\/\/)?[^\s/]+\.[^\s/]+(\/\S*)?$/i;

/** The fields that hold no web address where one is asked for. @param {any} profile @returns {string[]} their pointers */
export function notAddresses(profile) {
  const asked = FIELDS.filter(({ kind }) => kind === "address").map(({ pointer }) => pointer);
  return asked.filter((pointer) => at(profile, pointer)?.trim() && !ADDRESS.test(at(profile, pointer).trim()));
}

/** A new row of a list, with an id where rows have one. @param {FieldOf} field @param {any[]} there */
export function newRow(field, there) {
  const empty = Object.fromEntries((field.fields ?? []).map(({ name }) => [name, ""]));
  if (field.pointer !== "/custom_fields") return empty;
  const taken = new Set(there.map((row) => row.id));
  let number = there.length + 1;
  while (taken.has(`field-${number}`)) number += 1;
  return { id: `field-${number}`, ...empty };
}

/** What is wrong with a field or inside of it. @param {Record<string, string>} errors @param {string} pointer */
export function errorAt(errors, pointer) {
  const found = Object.keys(errors).find((each) => each === pointer || each.startsWith(`${pointer}/`));
  return found === undefined ? undefined : errors[found];
}
