/** Contact cards: somebody's name, with their numbers and addresses. */

import { t } from "../core/words.js";
import { html } from "../ui/index.js";
import { ContentForm, Line, Several } from "./form.js";

/** @typedef {import("./form.js").Form} Form */
/** @typedef {{ form: Form, bounds: Record<string, import("./form.js").Bound>, card: any, at: string, set: (card: any) => void }} CardProps */

const NO_CARD = { name: "", company: "", phones: [""], emails: [""] };

/** @param {import("./form.js").KindProps} props */
export function Contacts({ conversation, limits }) {
  const { ContactsContent: own, Card: bounds } = limits;
  const empty = { type: "contacts", contacts: [NO_CARD] };
  return html`<${ContentForm} conversation=${conversation} empty=${empty}>
    ${(/** @type {Form} */ form) => {
      const cards = form.content.contacts;
      return html`<${Several} class="writing-sections" rows=${cards} full=${cards.length >= (own.contacts.maxItems ?? 0)} empty=${NO_CARD} add=${t("send.contacts.add")}
        remove=${(/** @type {number} */ place) => t("send.contacts.remove", { n: place + 1 })} onChange=${(/** @type {any[]} */ contacts) => form.set({ contacts })}>
        ${(/** @type {any} */ card, /** @type {number} */ place, /** @type {any} */ set) => html`<fieldset>
          ${cards.length > 1 && html`<legend class="label">${t("send.contacts.n", { n: place + 1 })}</legend>`}
          <${Card} form=${form} bounds=${bounds} card=${card} at=${`/contacts/${place}`} set=${set} />
        </fieldset>`}
      <//>`;
    }}
  <//>`;
}

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
