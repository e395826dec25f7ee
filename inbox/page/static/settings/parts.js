/** Small parts that several sections share. */

import { has, t } from "../core/words.js";
import { shownNumber } from "../inbox/phone.js";
import { Button, Dialog, Empty, Field, html, Icon, SignInAgain, useEffect, useId, useState } from "../ui/index.js";
import { useDesk } from "./desk.js";
import { useLeaving } from "./leaving.js";

/** Things that belong together, under a heading. @param {{ title: any, children?: any }} props */
export function Group({ title, children }) {
  const id = useId();
  return html`<section class="settings-group" aria-labelledby=${id}><h3 id=${id}>${title}</h3>${children}</section>`;
}

/** A role as the reader calls it: those that are built in have a name in each language. @param {string} slug @param {string} name */
export const roleName = (slug, name) => (has(`set.role.${slug}`) ? t(`set.role.${slug}`) : name);

/** The label of a field that may be left empty. @param {string} label */
export const optional = (label) => html`${label} <span class="quiet">${t("settings.optional")}</span>`;

/** Why something did not work, where it was tried. @param {{ text: string | null }} props */
export function Trouble({ text }) {
  return html`<p class="settings-trouble" role="alert">${text && html`<${Icon} name="circle-alert" size=${16} />${text}`}</p>`;
}

/**
 * Rows of a list, or why there are none.
 * @param {{ list: { rows: any[] | null, trouble: string | null, reload: () => void }, empty: any, icon?: string,
 *   children: (row: any) => any, label: string }} props
 */
export function Rows({ list, empty, icon, children, label }) {
  if (list.trouble) {
    const again = html`<${Button} kind="tone" onClick=${list.reload}>${t("settings.again")}<//>`;
    return html`<${Empty} icon="circle-alert" title=${list.trouble} action=${again} />`;
  }
  if (list.rows === null) return html`<div class="settings-wait" aria-busy="true"></div>`;
  if (!list.rows.length) return html`<${Empty} icon=${icon} title=${empty} />`;
  return html`<ul class="settings-rows" aria-label=${label}>${list.rows.map((row) => html`<li key=${row.id ?? row.user_id}>${children(row)}</li>`)}</ul>`;
}

/**
 * A question before something that cannot be taken back.
 * @param {{ open: boolean, title: string, children?: any, action: string, busy?: boolean, trouble?: string | null,
 *   onYes: () => void, onClose: () => void }} props
 */
export function Ask({ open, title, children, action, busy, trouble = null, onYes, onClose }) {
  return html`<${Dialog} open=${open} title=${title} onClose=${onClose} actions=${html`
    <${Button} onClick=${onClose}>${t("ui.cancel")}<//>
    <${Button} kind="filled" danger busy=${busy} onClick=${onYes}>${action}<//>`}>
    <p>${children}</p><${Trouble} text=${trouble} />
  <//>`;
}

/**
 * Numbers to choose from, by name. Those of one name are told apart by their telephone numbers.
 * @param {{ id: string, name: string, phone_number: string | null }[]} accounts
 */
export function numberOptions(accounts) {
  return accounts.map(({ id, name, phone_number }) => {
    const alike = phone_number !== null && accounts.some((other) => other.id !== id && other.name === name);
    return { value: id, label: alike ? `${name} (${shownNumber(phone_number)})` : name };
  });
}

/**
 * Of which number something is set; nothing where there is only one.
 * @param {{ value: string, onChange: (id: string) => void }} props
 */
export function NumberChoice({ value, onChange }) {
  const { boot } = useDesk();
  if (boot.accounts.length < 2) return null;
  return html`<${Field} label=${t("settings.number")} value=${value} onChange=${onChange} options=${numberOptions(boot.accounts)} />`;
}

/**
 * A form in a dialog with its buttons. Only Cancel throws away at once what was typed. A form that stays open when it
 * was saved says itself whether it is `changed`.
 * @param {{ open: boolean, title: string, save: string, busy?: boolean, trouble?: string | null, changed?: boolean,
 *   onSave: () => void, onClose: () => void, children?: any }} props
 */
export function Form({ open, title, save, busy, trouble = null, changed, onSave, onClose, children }) {
  const id = useId();
  const [typed, setTyped] = useState(false);
  const [asking, setAsking] = useState(false);
  const unsaved = open && (changed ?? typed);
  useLeaving(unsaved);
  useEffect(() => (setTyped(false), setAsking(false)), [open]);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!busy) onSave();
  };
  const actions = asking
    ? html`<p class="settings-asks" role="alert">${t("settings.discard.ask")}</p>
      <${Button} onClick=${() => setAsking(false)}>${t("settings.discard.no")}<//>
      <${Button} kind="filled" danger onClick=${onClose}>${t("settings.discard")}<//>`
    : html`<${Button} onClick=${onClose}>${t("ui.cancel")}<//>
      <${Button} kind="filled" type="submit" form=${id} busy=${busy}>${save}<//>`;
  return html`<${Dialog} open=${open} title=${title} onClose=${() => (unsaved ? setAsking(true) : onClose())} actions=${actions}>
    <form id=${id} class="settings-form" onInput=${() => setTyped(true)} onSubmit=${submit}>${children}<${Trouble} text=${trouble} /></form>
  <//>`;
}

/** The session is over: it is begun again over the page, and what was typed is still there. */
export function SignedOut() {
  const { api, me, signedIn, signedOut } = useDesk();
  return html`<${SignInAgain} open=${signedOut.value} known=${me.value.email} api=${api} onSignedIn=${signedIn}>${t("settings.signed_out")}<//>`;
}
