/** What a message says, read from its row: the text without our own lines. Pure functions. */

import { oneLine } from "../core/text.js";
import { has, t } from "../core/words.js";

/** @typedef {import("../core/types.js").Message} Message */

const PLACEHOLDER = /^\[([a-z]+)(?:[^\]]*)\](.*)$/s;
/** Those whose first word is not the kind. */
const KINDS = [["[missed call]", "call"], ["[call permission: accept]", "may_call.accept"], ["[call permission: reject]", "may_call.reject"]];

/**
 * A text in one line, as lists and quotes show it: the placeholder of a kind becomes its name in the reader's language.
 * @param {string} content
 */
export function spoken(content) {
  const [, name, rest = ""] = PLACEHOLDER.exec(content) ?? [];
  const kind = KINDS.find(([begins]) => content.startsWith(begins))?.[1] ?? name;
  if (kind === "unsupported") return t("kind.unknown");
  if (kind === undefined || !has(`kind.${kind}`)) return oneLine(content);
  return oneLine(rest) || t(`kind.${kind}`);
}

/** Lines that the server adds below a text about what the customer had before their eyes; shown as a card instead. */
const ADDED = /\n\[(?:advertisement|product)\] [^\n]*$/;

/**
 * The customer's or our own words, without placeholders in brackets; "" when there are none.
 * @param {Message} message
 */
export function textOf(message) {
  let text = message.content_text;
  const { referral, context } = message.payload;
  if (referral || context?.referred_product) {
    while (ADDED.test(text)) text = text.replace(ADDED, "");
  }
  return text === `[${message.message_type}]` ? "" : text;
}

/** @param {Message} message */
export function isRevoked(message) {
  return message.payload.revoked === true;
}

/**
 * The advertisement or product that a customer writes from; null when there is none.
 * @param {Message} message
 */
export function originOf(message) {
  const { referral, context } = message.payload;
  if (referral) {
    const [title, body, href] = [referral.headline, referral.body, referral.source_url].map(text);
    return { kind: "advertisement", title, body, href };
  }
  const product = text(context?.referred_product?.product_retailer_id);
  return product ? { kind: "product", title: product, body: "", href: "" } : null;
}

/** @param {Message} message */
export function isForwarded(message) {
  const context = message.payload.context;
  return Boolean(context?.forwarded || context?.frequently_forwarded);
}

/**
 * @param {unknown} value
 * @returns {string}
 */
export function text(value) {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}
