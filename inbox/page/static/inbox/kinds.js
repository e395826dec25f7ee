/** What is inside a bubble: a text; what other kinds hold comes with the part that knows them. */

import { t } from "../core/words.js";
import { html, Icon } from "../ui/index.js";
import { More } from "./later.js";
import * as said from "./said.js";
import { Plain, Words } from "./text.js";

/** @typedef {import("../core/types.js").Message} Message */
/** @typedef {{ message: Message, text: string, meta: any }} KindProps */

/**
 * The content of a message. `meta` (time and tick) stands in the last line of its text when there is room.
 * @param {{ message: Message, meta: any }} props
 */
export function Content({ message, meta }) {
  const text = said.textOf(message);
  const origin = said.originOf(message);
  return html`
    ${said.isForwarded(message) && html`<p class="bubble-forwarded"><${Icon}
      name="arrow-right" /> ${t("bubble.forwarded")}</p>`}
    ${origin && html`<${Origin} origin=${origin} />`}
    ${said.isRevoked(message)
      ? html`<${Said} icon="trash-2" meta=${meta}>${t("bubble.revoked")}<//>`
      : isPlain(message)
        ? html`<${Words} id=${message.id} text=${text} meta=${meta} />`
        : html`<${More} is="Kind" message=${message} text=${text} meta=${meta}><p class="bubble-foot">${meta}</p><//>`}
  `;
}

/** A text and nothing else: most messages. @param {Message} message */
export const isPlain = (message) => message.message_type === "text" && said.textOf(message) !== "";

/** @param {{ origin: NonNullable<ReturnType<typeof said.originOf>> }} props */
function Origin({ origin }) {
  return html`<div class="bubble-card">
    <${Icon} name=${origin.kind === "product" ? "tag" : "external-link"} />
    <div>
      <p class="bubble-card-kind">${t(`kind.${origin.kind}`)}</p>
      <p class="bubble-card-title"><${Plain} text=${origin.title || origin.href} /></p>
      ${origin.body && html`<p class="bubble-card-more"><${Plain} text=${origin.body} /></p>`}
    </div>
  </div>`;
}

/**
 * Our words about a message, where it has none of its own.
 * @param {{ icon: string, meta: any, children?: any }} props
 */
export function Said({ icon, meta, children }) {
  return html`<p class="words bubble-said"><${Icon} name=${icon} size=${16} /> ${children}${meta}</p>`;
}
