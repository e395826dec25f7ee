/** A place: by its coordinates, which a map's address or a copied pair gives, with its name and address. */

import { t } from "../core/words.js";
import { html } from "../ui/index.js";
import { ContentForm, Line } from "./form.js";

/** @typedef {import("./form.js").Form} Form */

const NUMBER = String.raw`(-?\d{1,3}(?:\.\d+)?)`;
const COMMAS = String.raw`(-?\d{1,3},\d+)`;
const PAIR = `${NUMBER}(?:,|%2C)(?:[ +]|%20)*${NUMBER}`;
/** As people copy places: "48.85, 2.35", and the addresses that maps have. */
const FORMS = [`^\\s*${NUMBER}°?\\s*[,; ]\\s*${NUMBER}°?\\s*$`, `^\\s*${COMMAS}[,;]?\\s+${COMMAS}\\s*$`, `^geo:${PAIR}`, `[?&]mlat=${NUMBER}&mlon=${NUMBER}`,
  `!3d${NUMBER}!4d${NUMBER}`, `[?&](?:q|ll|query|coordinate|destination|daddr)=(?:loc:)?${PAIR}`, `/maps/(?:search|place)/${PAIR}`, `@${PAIR}`,
  `#map=[\\d.]+/${NUMBER}/${NUMBER}`].map((form) => new RegExp(form));

/**
 * The coordinates in a text; null: there are none.
 * @param {string} text
 * @returns {{ latitude: string, longitude: string } | null}
 */
export function pointIn(text) {
  const found = FORMS.map((form) => form.exec(text)).find(Boolean);
  return found ? { latitude: found[1].replace(",", "."), longitude: found[2].replace(",", ".") } : null;
}

/** An address, or the beginning of one: of a short one only its server knows which place it means. */
const ADDRESS = /^\s*[a-z]+:|\w\.\w+\//i;

/** @param {import("./form.js").KindProps} props */
export function Location({ conversation, limits }) {
  const { LocationContent: own } = limits;
  const empty = { type: "location", latitude: "", longitude: "", name: "", address: "" };
  const finish = (/** @type {any} */ content) => ({ ...content, latitude: Number(content.latitude), longitude: Number(content.longitude) });
  return html`<${ContentForm} conversation=${conversation} empty=${empty} finish=${finish}>
    ${(/** @type {Form} */ form) => {
      const typed = (/** @type {string} */ name) => (/** @type {string} */ value) => form.set(pointIn(value) ?? { [name]: value.replace(",", ".") });
      const degrees = (/** @type {"latitude" | "longitude"} */ name) => html`<${Line} form=${form} at=${`/${name}`} bound=${own[name]}
        label=${t(`send.location.${name}`)} value=${String(form.content[name])} dir="ltr" onChange=${typed(name)}
        error=${ADDRESS.test(form.content[name]) ? t("send.location.short") : form.wrong[`/${name}`] && t(`send.location.wrong.${name}`)} />`;
      return html`
        <p class="small quiet">${t("send.location.how")}</p>
        <div class="writing-edges">${degrees("latitude")}${degrees("longitude")}</div>
        <${Line} form=${form} at="/name" bound=${own.name} label=${t("send.location.name")} value=${form.content.name}
          onChange=${(/** @type {string} */ name) => form.set({ name })} />
        <${Line} form=${form} at="/address" bound=${own.address} label=${t("send.location.address")} value=${form.content.address}
          onChange=${(/** @type {string} */ address) => form.set({ address })} />`;
    }}
  <//>`;
}
