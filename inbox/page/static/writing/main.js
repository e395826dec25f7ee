/** Begins the dialogs that write more than a text: what the inbox loads when somebody first asks for one of them. */

import { t } from "../core/words.js";
import { useApp } from "../inbox/context.js";
import { Dialog, html } from "../ui/index.js";
import { Buttons, List } from "./choices.js";
import { Contacts } from "./contacts.js";
import { Location } from "./location.js";
import { Choosing } from "./templates.js";

const KINDS = /** @type {Record<string, any>} */ ({ templates: Choosing, buttons: Buttons, list: List, location: Location, contacts: Contacts });

/** @param {{ conversation: import("../core/types.js").Conversation, limits: import("./form.js").Limits }} props */
export function Writing({ conversation, limits }) {
  const { panels } = useApp();
  const which = panels.dialog.value ?? "";
  const Kind = KINDS[which];
  return html`<${Dialog} open=${Kind !== undefined} wide class="writing" title=${Kind && t(`send.${which}`)} onClose=${panels.closeDialog}>
    ${Kind && html`<${Kind} key=${`${which} ${conversation.id}`} conversation=${conversation} limits=${limits} />`}
  <//>`;
}
