/** What is inside a bubble that is more than a text, for every kind WhatsApp knows, and for those it will know. */

import { t } from "../core/words.js";
import { Button, classes, html, Icon } from "../ui/index.js";
import { useApp } from "../inbox/context.js";
import { money } from "../inbox/figures.js";
import { Said } from "../inbox/kinds.js";
import { Plain, Words } from "../inbox/text.js";
import { Film, Paper, Picture, Sticker, Voice } from "./files.js";
import * as held from "./held.js";

/** @typedef {import("../core/types.js").Message} Message */

/** @typedef {import("../inbox/kinds.js").KindProps} KindProps */

/** @param {KindProps} props */
export function Kind(props) {
  const Own = KINDS[props.message.message_type] ?? Unknown;
  return html`<${Own} ...${props} />`;
}

/** @param {KindProps} props */
function Text({ message, text, meta }) {
  return text ? html`<${Words} id=${message.id} text=${text} meta=${meta} />` : html`<${Unknown} message=${message}
    meta=${meta} />`;
}

/**
 * A file and, below it, what was written with it.
 * @param {any} file
 * @returns {(props: KindProps) => any}
 */
function withCaption(file) {
  return function Captioned({ message, text, meta }) {
    return html`
      ${file(message, text)}
      ${text ? html`<${Words} id=${message.id} text=${text} meta=${meta} />` : html`<p class="bubble-foot">${meta}</p>`}
    `;
  };
}

const TAKES_GEO = /Android/.test(navigator.userAgent); // it asks which map to open; others do not know the scheme

/** @param {KindProps} props */
function Location({ message, meta }) {
  const { copy } = useApp();
  const place = held.placeOf(message);
  return html`<div class="bubble-card">
      <${Icon} name="map-pin" />
      <div>
        <p class="bubble-card-title"><${Plain} text=${place.name || t("kind.location")} /></p>
        ${place.address && html`<p class="bubble-card-more"><${Plain} text=${place.address} /></p>`}
        ${place.maps &&
        html`<p class="bubble-card-point"><span dir="ltr">${place.point}</span>
            <${Button} little icon="copy" label=${t("kind.location.copy")} onClick=${() => copy(place.point)} /></p>
          <p class="bubble-card-links">${TAKES_GEO && html`<a class="link" href=${place.maps.phone}>${t("kind.location.phone")}</a>`}
            <a class="link" href=${place.maps.web} target="_blank" rel="noopener noreferrer">${t("kind.location.map")}</a></p>`}
      </div>
    </div>
    <p class="bubble-foot">${meta}</p>`;
}

/** @param {KindProps} props */
function Contacts({ message, meta }) {
  return html`${held.cardsOf(message).map(
      (card, place) => html`<div class="bubble-card" key=${place}>
        <${Icon} name="contact" />
        <div>
          <p class="bubble-card-title"><${Plain} text=${card.name || t("kind.contacts")} /></p>
          ${card.company && html`<p class="bubble-card-more"><${Plain} text=${card.company} /></p>`}
          ${card.phones.map((phone) => html`<p class="bubble-card-more" dir="ltr" key=${phone}><${Plain}
            text=${phone} /></p>`)}
          ${card.emails.map((email) => html`<p class="bubble-card-more" key=${email}><${Plain} text=${email} /></p>`)}
        </div>
      </div>`,
    )}
    <p class="bubble-foot">${meta}</p>`;
}

/** @param {KindProps} props */
function Order({ message, meta }) {
  const { items, note } = held.orderOf(message);
  const priced = items.every((item) => item.price !== null && item.currency === items[0]?.currency);
  const total = items.reduce((sum, item) => sum + (item.price ?? 0) * item.quantity, 0);
  return html`<table class="bubble-order">
      <caption>${t("kind.order")}</caption>
      <tbody>
        ${items.map(
          (item, place) => html`<tr key=${place}>
            <td class="number">${item.quantity} ×</td>
            <td><${Plain} text=${item.product} /></td>
            <td class="number">${item.price !== null && money(item.price, item.currency)}</td>
          </tr>`,
        )}
      </tbody>
      ${priced &&
      items.length > 0 &&
      html`<tfoot><tr><th scope="row" colspan="2">${t("kind.order.total")}</th><td
        class="number">${money(total, items[0].currency)}</td></tr></tfoot>`}
    </table>
    ${note ? html`<${Words} id=${message.id} text=${note} meta=${meta} />` : html`<p class="bubble-foot">${meta}</p>`}`;
}

/** @param {KindProps} props */
function Choice({ message, text, meta }) {
  const mayCall = held.callPermissionOf(message);
  if (mayCall) return html`<${Said} icon="phone" meta=${meta}>${t(`kind.may_call.${mayCall}`)}<//>`;
  const choice = held.choiceOf(message);
  if (!choice) return html`<${Text} message=${message} text=${text} meta=${meta} />`;
  if (choice.chosen === null) {
    const { header, body, footer, button, sections } = choice;
    return html`
      ${header && html`<p class="bubble-title"><${Plain} text=${header} /></p>`}
      <${Words} id=${message.id} text=${body || text} meta=${meta} />
      ${footer && html`<p class="bubble-card-more"><${Plain} text=${footer} /></p>`}
      ${button && html`<p class="bubble-opens"><${Icon} name="menu" size=${16} /> <${Plain} text=${button} /></p>`}
      ${sections.map(({ title, rows }, place) => html`
        ${title && html`<p class="bubble-card-kind" key=${`${place} title`}><${Plain} text=${title} /></p>`}
        <ul class=${classes("bubble-options", button && "bubble-rows")} aria-label=${title || t("kind.options")} key=${place}>
          ${rows.map((row, at) => html`<li key=${at}><${Plain} text=${row.title} />${row.more &&
            html`<span class="bubble-card-more"><${Plain} text=${row.more} /></span>`}</li>`)}
        </ul>`)}`;
  }
  return html`<div class="words bubble-chosen">
    <${Icon} name="circle-check" size=${16} label=${t("kind.chosen")} /> <strong><${Plain}
      text=${choice.chosen} /></strong>
    ${choice.more && html`<span class="bubble-card-more"><${Plain} text=${choice.more} /></span>`}${meta}
  </div>`;
}

/** @param {KindProps} props */
function Template({ message, text, meta }) {
  const { category, buttons, file } = held.templateOf(message);
  return html`${FILES[file]?.(message, text)}<${Text} message=${message} text=${text} meta=${meta} />
    ${buttons.length > 0 && html`<ul class="bubble-options" aria-label=${t("kind.options")}>
      ${buttons.map((each) => html`<li key=${each}><${Plain} text=${each} /></li>`)}
    </ul>`}
    ${category && html`<p class="bubble-card-kind">${t("kind.template")} · ${category}</p>`}`;
}

/** @param {KindProps} props */
function Call({ meta }) {
  return html`<${Said} icon="phone" meta=${meta}>${t("kind.call")}<//>`;
}

/** A reaction of ours that WhatsApp did not take; the others are shown where they were put. @param {KindProps} props */
function Reaction({ message, meta }) {
  const { emoji } = message.payload.reaction ?? {};
  return html`<${Said} icon="smile" meta=${meta}>${emoji ? `${t("kind.reaction")} ${emoji}` : t("kind.no_reaction")}<//>`;
}

/** @param {KindProps} props */
function Unknown({ message, meta }) {
  return html`<${Said} icon="circle-alert" meta=${meta}>${t("kind.unknown")} (<${Plain}
    text=${held.unknownKindOf(message)} />)<//>`;
}

/** Files with words below them. @type {Record<string, (message: Message, text: string) => any>} */
const FILES = {
  image: (message, text) => html`<${Picture} message=${message} text=${text} />`,
  video: (message) => html`<${Film} message=${message} />`,
  document: (message) => html`<${Paper} message=${message}
    name=${html`<${Plain} text=${message.media_filename ?? t("kind.document")} />`} />`,
};

/** @type {Record<string, (props: KindProps) => any>} */
const KINDS = {
  text: Text,
  image: withCaption(FILES.image),
  video: withCaption(FILES.video),
  audio: withCaption((/** @type {Message} */ message) => html`<${Voice} message=${message}
    voice=${held.isVoice(message)} />`),
  document: withCaption(FILES.document),
  sticker: ({ message, meta }) => html`<${Sticker} message=${message} /><p class="bubble-foot">${meta}</p>`,
  location: Location,
  contacts: Contacts,
  order: Order,
  button: Choice,
  interactive: Choice,
  template: Template,
  reaction: Reaction,
  call: Call,
};
