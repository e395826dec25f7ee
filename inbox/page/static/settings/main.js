/** Begins the settings: what is wired once, and given to the parts that draw. */

import { draw, html } from "../ui/index.js";
import { createDesk, DeskProvider } from "./desk.js";
import { Settings } from "./app.js";

const desk = await createDesk();

draw(html`<${DeskProvider} value=${desk}><${Settings} /><//>`);
document.documentElement.dataset.ready = "";
