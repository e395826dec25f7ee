/** The audit log: who changed what, and when. It is read, never changed. */

import { has, t } from "../core/words.js";
import { Button, Empty, html, useEffect, useState } from "../ui/index.js";
import { useDesk, whyNot } from "./desk.js";

export function Audit() {
  const { api, boot, times } = useDesk();
  /** @type {Map<string, string>} */
  const numbers = new Map(boot.accounts.map((/** @type {any} */ each) => [each.id, each.name]));
  const line = (/** @type {any} */ row) => lineOf(row, numbers, times.moment);
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
      <time class="meta" datetime=${row.at} title=${times.full(row.at)}>${times.moment(row.at)}</time>
      <span class="settings-what"><strong><bdi>${by(row.actor)}</bdi></strong> <span>${said(row.action)}</span>
        ${line(row) && html`<span class="quiet settings-text" dir="auto">${line(row)}</span>`}</span></li>`)}</ol>
    ${trouble && html`<${Empty} icon="circle-alert" title=${trouble} />`}
    ${next && html`<p class="buttons"><${Button} kind="tone" busy=${busy} onClick=${more}>${t("set.audit.more")}<//></p>`}
  </div>`;
}

/** Who did it; what did it, where nobody did. @param {{ kind: string, name: string }} actor */
function by({ kind, name }) {
  const key = `set.audit.by.${name.replaceAll(/[ -]/g, "_")}`;
  return kind === "command" && has(key) ? t(key) : name;
}

/** What was done; a kind that has no words yet by its own name. @param {string} action */
const said = (action) => (has(`audit.${action}`) ? t(`audit.${action}`) : action);

/**
 * Who or what was changed, and the details: names and values. What has an id and no name says nothing to anybody.
 * @param {{ target_name: string | null, details: Record<string, any> }} row @param {Map<string, string>} numbers their names, by id
 * @param {(time: string) => string} written a time
 */
export function lineOf({ target_name, details }, numbers, written) {
  const told = Object.entries(details).map(([name, value]) => {
    const said = valued(value, numbers, written, OWN.includes(name));
    return said && t("set.audit.detail", { name: worded(name, DETAILS), value: said });
  });
  return [target_name, ...told].filter(Boolean).join(" · ");
}

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

/** What people chose themselves: it stays as they wrote it, also when it is a word of ours. */
const OWN = ["address", "description", "email", "name", "phone", "role_name", "shortcut", "text", "url"];

const ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

/**
 * A value as people write it; "" for one that says nothing.
 * @param {any} value @param {Map<string, string>} numbers their names, by id @param {(time: string) => string} written
 * @param {boolean} own it is what somebody wrote
 * @returns {string}
 */
function valued(value, numbers, written, own) {
  if (value === null) return "";
  if (typeof value === "object") {
    const all = Object.entries(value).map(([name, each]) => valued(each, numbers, written, own || OWN.includes(name)));
    return all.filter(Boolean).join(Array.isArray(value) ? ", " : " ");
  }
  const text = String(value);
  if (own) return text;
  const [, what, id] = /^(\S+) of ([0-9a-f-]{36})$/.exec(text) ?? []; // a right for one number
  if (id) return `${worded(what, VALUES)} · ${numbers.get(id) ?? id}`;
  if (TIME.test(text)) return written(text);
  return numbers.get(text) ?? (ID.test(text) ? "" : worded(text, VALUES));
}
