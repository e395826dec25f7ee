/** Begins the settings: what is wired once, and given to the parts that draw. */

import { html, render } from "../ui/index.js";
import { createDesk, DeskProvider } from "./desk.js";
import { Settings } from "./app.js";

const desk = await createDesk();

render(html`<${DeskProvider} value=${desk}><${Settings} /><//>`, /** @type {HTMLElement} */ (document.getElementById("app")));
document.documentElement.dataset.ready = "";
