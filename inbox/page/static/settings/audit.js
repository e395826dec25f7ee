/** The audit log: who changed what, and when. It is read, never changed. */

import { has, t } from "../core/words.js";
import { Button, Empty, html, useEffect, useState } from "../ui/index.js";
import { useDesk, whyNot } from "./desk.js";

export function Audit() {
  const { api, boot, times } = useDesk();
  /** @type {Map<string, string>} */
  const numbers = new Map(boot.accounts.map((/** @type {any} */ each) => [each.id, each.name]));
  const line = (/** @type {any} */ row) => lineOf(row, numbers);
  const [rows, setRows] = useState(/** @type {any[]} */ ([]));
  const [next, setNext] = useState(/** @type {string | null} */ ("/admin/audit-log?limit=50"));
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState(/** @type {string | null} */ (null));
  const more = async () => {
    if (!next || busy) return;
    setBusy(true);
    try {
      const answer = await api.get(next);
      setRows((had) => [...had, ...answer.body]);
      setNext(answer.link.next);
      setTrouble(null);
    } catch (error) {
      setTrouble(whyNot(error));
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    more();
  }, []);
  return html`<div class="settings-groups">
    <p class="quiet">${t("set.audit.what")}</p>
    <ol class="settings-log" aria-label=${t("settings.section.audit")}>${rows.map((row) => html`<li key=${row.id}>
      <time class="meta" datetime=${row.at}>${times.full(row.at)}</time>
      <span class="settings-what"><strong><bdi>${by(row.actor)}</bdi></strong> <span>${said(row.action)}</span>
        ${line(row) && html`<span class="quiet settings-text" dir="auto">${line(row)}</span>`}</span></li>`)}</ol>
    ${trouble && html`<${Empty} icon="circle-alert" title=${trouble} />`}
    ${next && html`<p class="buttons"><${Button} kind="tone" busy=${busy} onClick=${more}>${t("set.audit.more")}<//></p>`}
  </div>`;
}

/** Who did it; what did it, where nobody did. @param {{ kind: string, name: string }} actor */
function by({ kind, name }) {
  const key = `set.audit.by.${name.replaceAll(" ", "_")}`;
  return kind === "command" && has(key) ? t(key) : name;
}

/** What was done; a kind that has no words yet by its own name. @param {string} action */
const said = (action) => (has(`audit.${action}`) ? t(`audit.${action}`) : action);

/**
 * Who or what was changed, and the details: names and values.
 * @param {{ target_name: string | null, details: Record<string, any> }} row @param {Map<string, string>} numbers their names, by id
 */
export function lineOf({ target_name, details }, numbers) {
  return [target_name, told(details, numbers)].filter(Boolean).join(" · ");
}

/** Details as a line: names and values. @param {Record<string, any>} details @param {Map<string, string>} numbers */
const told = (details, numbers) =>
  Object.entries(details)
    .filter(([, value]) => value !== null && value !== "" && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => t("set.audit.detail", { name: worded(name, DETAILS), value: valued(value, numbers) }))
    .join(" · ");

/** Where the words of values stand: permissions, fields of a number, why one is paused. */
const VALUES = [
  (/** @type {string} */ word) => `set.permission.${word}`,
  (/** @type {string} */ word) => `set.role.${word}`,
  (/** @type {string} */ word) => `set.numbers.${word}`,
  (/** @type {string} */ word) => `pause.${word}`,
  (/** @type {string} */ word) => `bot.field.${word}`,
  (/** @type {string} */ word) => `set.hooks.event.${word}`,
  (/** @type {string} */ word) => `set.audit.value.${word}`,
];
const DETAILS = [(/** @type {string} */ word) => `set.audit.of.${word}`, (/** @type {string} */ word) => `set.numbers.${word}`];

/** What we have words for, else the word itself. @param {string} word @param {((word: string) => string)[]} places */
function worded(word, places) {
  const key = places.map((place) => place(word)).find(has);
  return key ? t(key) : word;
}

/** @param {any} value @param {Map<string, string>} numbers their names, by id @returns {string} */
function valued(value, numbers) {
  if (Array.isArray(value)) return value.map((each) => valued(each, numbers)).join(", ");
  if (typeof value === "object" && value !== null) return Object.values(value).filter((each) => each !== null).map((each) => valued(each, numbers)).join(" ");
  const [, what, id] = /^(\S+) of ([0-9a-f-]{36})$/.exec(String(value)) ?? []; // a right for one number
  return id ? `${worded(what, VALUES)} · ${numbers.get(id) ?? id}` : (numbers.get(value) ?? worded(String(value), VALUES));
}
