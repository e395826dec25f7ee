/** Contact cards: somebody's name, with their numbers and addresses; those of one of our contacts are filled in. */

import { t } from "../core/words.js";
import { useApp } from "../inbox/context.js";
import { shownNumber } from "../inbox/phone.js";
import { useAsked } from "../inbox/search.js";
import { Plain } from "../inbox/text.js";
import { html, useRef, useState } from "../ui/index.js";
import { ContentForm, Line, Several } from "./form.js";

/** @typedef {import("./form.js").Form} Form */
/** As GET /contacts tells it. @typedef {{ id: string, display_name: string | null, whatsapp_number: string | null, username: string | null, is_group: boolean }} Known */
/** @typedef {{ form: Form, bounds: Record<string, import("./form.js").Bound>, card: any, at: string, set: (card: any) => void }} CardProps */

const NO_CARD = { name: "", company: "", phones: [""], emails: [""] };
const MOST = 6; // contacts to choose from

/** @param {import("./form.js").KindProps} props */
export function Contacts({ conversation, limits }) {
  const { store } = useApp();
  const may = store.may("contacts.view", conversation.account_id);
  const { ContactsContent: own, Card: bounds } = limits;
  const empty = { type: "contacts", contacts: [NO_CARD] };
  return html`<${ContentForm} conversation=${conversation} empty=${empty}>
    ${(/** @type {Form} */ form) => {
      const cards = form.content.contacts;
      return html`<${Several} class="writing-sections" rows=${cards} full=${cards.length >= (own.contacts.maxItems ?? 0)} empty=${NO_CARD} add=${t("send.contacts.add")}
        remove=${(/** @type {number} */ place) => t("send.contacts.remove", { n: place + 1 })} onChange=${(/** @type {any[]} */ contacts) => form.set({ contacts })}>
        ${(/** @type {any} */ card, /** @type {number} */ place, /** @type {any} */ set) => html`<fieldset>
          ${cards.length > 1 && html`<legend class="label">${t("send.contacts.n", { n: place + 1 })}</legend>`}
          ${may && html`<${Ours} accountId=${conversation.account_id} onChoose=${(/** @type {any} */ known) => set({ ...card, ...known })} />`}
          <${Card} form=${form} bounds=${bounds} card=${card} at=${`/contacts/${place}`} set=${set} />
        </fieldset>`}
      <//>`;
    }}
  <//>`;
}

/**
 * Our contacts by a part of their name or number, to fill a card with one of them.
 * @param {{ accountId: string, onChoose: (card: { name: string, phones: string[] }) => void }} props
 */
function Ours({ accountId, onChoose }) {
  const { api } = useApp();
  const [q, setQ] = useState("");
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const found = useAsked(q, accountId, async (wanted, signal) => {
    try {
      const { body } = await api.get("/contacts", { account_id: accountId, q: wanted, limit: MOST }, { signal });
      return /** @type {Known[]} */ (body).filter((each) => !each.is_group);
    } catch {
      return "trouble";
    }
  });
  const shown = Array.isArray(found) ? found : [];
  const choose = (/** @type {Known} */ { display_name: name, whatsapp_number: number, username }) => {
    onChoose({ name: name ?? username ?? "", phones: [number ? shownNumber(number) : ""] });
    setQ("");
    /** @type {HTMLElement | null | undefined} */ (box.current?.parentElement?.querySelector("input:not([type=search])"))?.focus();
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && shown.length === 1) choose(shown[0]);
    else if (event.key === "Enter" || event.key === "ArrowDown" || event.key === "ArrowUp") step(event);
    else if (event.key === "Escape" && q) setQ("");
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const step = (/** @type {KeyboardEvent} */ event) => {
    const all = /** @type {HTMLElement[]} */ ([...(box.current?.querySelectorAll("input, button") ?? [])]);
    all.at(Math.max(0, all.indexOf(/** @type {HTMLElement} */ (event.target)) + (event.key === "ArrowUp" ? -1 : 1)))?.focus();
  };
  const none = found === "trouble" ? "send.contacts.trouble" : "send.contacts.nobody";
  return html`<div class="writing-ours" role="group" aria-label=${t("send.contacts.ours")} ref=${box} onKeyDown=${pressed}>
    <input class="input" type="search" value=${q} aria-label=${t("send.contacts.ours")} placeholder=${t("send.contacts.ours")} maxlength="200"
      autocomplete="off" spellcheck="false" dir="auto" onInput=${(/** @type {any} */ event) => setQ(event.currentTarget.value)} />
    ${shown.length > 0 && html`<ul>${shown.map((each) => html`<li key=${each.id}>
      <button type="button" class="writing-known" onClick=${() => choose(each)}><span class="clip"><${Plain} text=${nameOf(each)} /></span>
        ${each.whatsapp_number && html`<span class="small quiet" dir="ltr">${shownNumber(each.whatsapp_number)}</span>`}</button></li>`)}</ul>`}
    <p class="small quiet" role="status">${found && !shown.length && t(none)}</p>
  </div>`;
}

/** @param {Known} contact */
const nameOf = ({ display_name: name, username }) => name || username || t("send.contacts.unnamed");

/** @param {CardProps} props */
function Card({ form, bounds, card, at, set }) {
  const line = (/** @type {"name" | "company"} */ name) => html`<${Line} form=${form} at=${`${at}/${name}`} bound=${bounds[name]} label=${t(`send.contacts.${name}`)}
    value=${card[name]} onChange=${(/** @type {string} */ value) => set({ ...card, [name]: value })} />`;
  const several = (/** @type {"phones" | "emails"} */ name, /** @type {string} */ type) => {
    const rows = card[name]?.length ? card[name] : [""];
    return html`<fieldset><legend class="label">${t(`send.contacts.${name}`)} <span class="quiet">${t("send.optional")}</span></legend><${Several} rows=${rows} full=${rows.length >= (bounds[name].maxItems ?? 0)} empty="" add=${t(`send.contacts.${name}.add`)}
      remove=${(/** @type {number} */ place) => t(`send.contacts.${name}.remove`, { n: place + 1 })} onChange=${(/** @type {string[]} */ all) => set({ ...card, [name]: all })}>
      ${(/** @type {string} */ row, /** @type {number} */ place, /** @type {any} */ put) => html`<${Line} form=${form} at=${`${at}/${name}/${place}`} bound=${{ maxLength: bounds[name].maxLength }}
        label=${t(`send.contacts.${name}`)} hiddenLabel type=${type} value=${row} onChange=${put} />`}
    <//></fieldset>`;
  };
  return html`<div class="writing-edges">${line("name")}${line("company")}</div>
    <div class="writing-edges">${several("phones", "tel")}${several("emails", "email")}</div>`;
}
