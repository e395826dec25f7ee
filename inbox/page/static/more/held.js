/** What a message holds beside its text, by its kind, read from its row. Pure functions. */

import { text, textOf } from "../inbox/said.js";
import { has, t } from "../core/words.js";

/** @typedef {import("../core/types.js").Message} Message */

/**
 * Where a location is: its words and a map that opens it.
 * @param {Message} message
 */
export function placeOf(message) {
  const place = message.payload.location ?? {};
  const latitude = Number(place.latitude);
  const longitude = Number(place.longitude);
  const known = place.latitude != null && Number.isFinite(latitude) && Number.isFinite(longitude);
  const point = known ? `${latitude}, ${longitude}` : "";
  const at = `${latitude},${longitude}`;
  const maps = known
    ? {
        web: `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=17/${latitude}/${longitude}`,
        phone: `geo:${at}?q=${at}`,
      }
    : null;
  return { name: text(place.name), address: text(place.address), point, maps };
}

/**
 * The contact cards of a message.
 * @param {Message} message
 */
export function cardsOf(message) {
  return list(message.payload.contacts).map((card) => ({
    name: text(card?.name?.formatted_name),
    company: text(card?.org?.company),
    phones: list(card?.phones).map((phone) => text(phone?.phone) || text(phone?.wa_id)).filter(Boolean),
    emails: list(card?.emails).map((email) => text(email?.email)).filter(Boolean),
  }));
}

/**
 * What somebody ordered.
 * @param {Message} message
 */
export function orderOf(message) {
  const order = message.payload.order ?? {};
  const items = list(order.product_items).map((item) => ({
    product: text(item?.product_retailer_id),
    quantity: Number(item?.quantity ?? 1),
    price: item?.item_price == null ? null : Number(item.item_price),
    currency: text(item?.currency),
  }));
  return { items, note: text(order.text) };
}

/**
 * The options that a message offers (ours), or the one that was chosen (theirs); null for other messages.
 * @param {Message} message
 * @returns {{ chosen: string, more: string } | { chosen: null, header: string, body: string, footer: string, button: string,
 *   sections: { title: string, rows: { title: string, more: string }[] }[] } | null} `button` opens a list
 */
export function choiceOf(message) {
  if (message.message_type === "button") {
    return { chosen: text(message.payload.button?.text) || textOf(message), more: "" };
  }
  const inner = message.payload.interactive;
  if (!inner) return null;
  const reply = inner.button_reply ?? inner.list_reply;
  if (reply) return { chosen: text(reply.title), more: text(reply.description) };
  const { action } = inner;
  const offered = [{ rows: list(action?.buttons).map((button) => button?.reply) }, ...list(action?.sections)];
  const sections = offered.map((section) => ({
    title: text(section?.title),
    rows: list(section?.rows).map((row) => ({ title: text(row?.title), more: text(row?.description) })).filter((row) => row.title),
  }));
  const [header, body, footer] = [inner.header, inner.body, inner.footer].map((part) => text(part?.text));
  const told = { chosen: null, header, body, footer, button: text(action?.button), sections: sections.filter(({ rows }) => rows.length) };
  return told.sections.length ? told : null;
}

/**
 * Whether the customer lets the business call them; null for other messages.
 * @param {Message} message
 * @returns {"accept" | "reject" | null}
 */
export function callPermissionOf(message) {
  const answer = message.payload.interactive?.call_permission_reply?.response;
  return answer === "accept" || answer === "reject" ? answer : null;
}

/**
 * What a template was sent as: its category in the reader's language, its buttons, and what kind of file its header is.
 * @param {Message} message
 */
export function templateOf(message) {
  const { category, buttons } = message.payload.filled_in ?? {};
  const word = `kind.template.${category}`;
  const header = list(message.payload.template?.components).find((each) => each?.type === "header");
  const file = message.media_id ? text(header?.parameters?.[0]?.type) : "";
  return { category: has(word) ? t(word) : text(category), buttons: list(buttons).map(text), file };
}

/** @param {Message} message */
export function isVoice(message) {
  return message.payload.audio?.voice === true;
}

/**
 * The kind of a message that this page has no picture of, as WhatsApp names it.
 * @param {Message} message
 */
export function unknownKindOf(message) {
  const inner = message.payload.unsupported?.type;
  return typeof inner === "string" ? inner : message.message_type;
}

/**
 * @param {unknown} value
 * @returns {any[]}
 */
function list(value) {
  return Array.isArray(value) ? value : [];
}
