/** The fields of the profile: single ones, and lists of rows. */

import { has, t } from "../core/words.js";
import { Button, Field, html, Switch } from "../ui/index.js";
import { at, errorAt, newRow, put, wordOf } from "./profile.js";

const LONG = { line: undefined, address: undefined, text: 3, long: 12 };
const MOST = 1000; // answers in an hour

/**
 * @param {{ field: import("./profile.js").FieldOf, profile: any, errors: Record<string, string>, onChange: (profile: any) => void }} props
 */
export function Control({ field, profile, errors, onChange }) {
  if (field.kind === "list") return html`<${RowsOf} field=${field} profile=${profile} errors=${errors} onChange=${onChange} />`;
  const { pointer, kind = "line" } = field;
  const word = wordOf(pointer);
  const value = at(profile, pointer);
  const common = { label: t(`bot.field.${word}`), hint: hintOf(word), error: errorAt(errors, pointer), dir: "auto" };
  if (kind === "number") {
    const set = (/** @type {string} */ text) => onChange(put(profile, pointer, text === "" ? 0 : Number(text)));
    return html`<${Field} ...${common} type="number" min="0" max=${MOST} step="1" value=${String(value ?? "")} onChange=${set} />`;
  }
  if (kind === "switch") {
    return html`<${Switch} label=${common.label} hint=${common.hint} checked=${value} onChange=${(/** @type {boolean} */ on) => onChange(put(profile, pointer, on))} />`;
  }
  const rows = LONG[kind];
  return html`<${Field} ...${common} value=${value ?? ""} multiline=${rows !== undefined} rows=${rows} onChange=${(/** @type {string} */ text) => onChange(put(profile, pointer, text))} />`;
}

/** @param {{ field: import("./profile.js").FieldOf, profile: any, errors: Record<string, string>, onChange: (profile: any) => void }} props */
function RowsOf({ field, profile, errors, onChange }) {
  const { pointer, fields = [] } = field;
  const word = wordOf(pointer);
  const rows = /** @type {any[]} */ (at(profile, pointer) ?? []);
  const set = (/** @type {any[]} */ next) => onChange(put(profile, pointer, next));
  const move = (/** @type {number} */ from, /** @type {number} */ to) => {
    const next = [...rows];
    next.splice(to, 0, ...next.splice(from, 1));
    set(next);
  };
  return html`<fieldset class="bot-list">
    <legend class="label">${t(`bot.field.${word}`)}</legend>
    ${hintOf(word) && html`<p class="hint">${hintOf(word)}</p>`}
    ${rows.map((row, index) => html`<div class="bot-row" key=${row.id ?? index}>
      ${fields.map(({ name, kind }) => html`<${Field} key=${name} label=${t(`bot.field.${word}_${name}`)} multiline=${kind === "text"} rows=${kind === "text" ? 2 : undefined}
        value=${asText(row[name])} error=${errorAt(errors, `${pointer}/${index}/${name}`)}
        onChange=${(/** @type {string} */ text) => set(rows.map((each, n) => (n === index ? { ...each, [name]: text } : each)))} />`)}
      <span class="buttons">
        <${Button} little icon="chevron-up" label=${t("bot.up", { n: index + 1 })} disabled=${index === 0} onClick=${() => move(index, index - 1)} />
        <${Button} little icon="chevron-down" label=${t("bot.down", { n: index + 1 })} disabled=${index === rows.length - 1} onClick=${() => move(index, index + 1)} />
        <${Button} little icon="trash-2" label=${t("bot.remove", { n: index + 1 })} onClick=${() => set(rows.filter((_, n) => n !== index))} />
      </span>
    </div>`)}
    <p class="buttons"><${Button} kind="tone" icon="plus" onClick=${() => set([...rows, newRow(field, rows)])}>${t(`bot.add.${word}`)}<//></p>
  </fieldset>`;
}

/** @param {string} word */
const hintOf = (word) => (has(`bot.hint.${word}`) ? t(`bot.hint.${word}`) : undefined);

/** Steps may be a list; here they are lines. @param {any} value */
const asText = (value) => (Array.isArray(value) ? value.join("\n") : (value ?? ""));
