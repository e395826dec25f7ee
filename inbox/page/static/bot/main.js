/** Begins the editor of a bot's profile. */

import { html, render } from "../ui/index.js";
import { createDesk, DeskProvider } from "../settings/desk.js";
import { Editor } from "./editor.js";

const desk = await createDesk();

render(html`<${DeskProvider} value=${desk}><${Editor} /><//>`, /** @type {HTMLElement} */ (document.getElementById("app")));
document.documentElement.dataset.ready = "";
