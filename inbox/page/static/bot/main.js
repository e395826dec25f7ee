/** Begins the editor of a bot's profile. */

import { draw, html } from "../ui/index.js";
import { createDesk, DeskProvider } from "../settings/desk.js";
import { Editor } from "./editor.js";

const desk = await createDesk();

draw(html`<${DeskProvider} value=${desk}><${Editor} /><//>`);
document.documentElement.dataset.ready = "";
