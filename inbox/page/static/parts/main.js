// Every part of ui/ in each of its states: for eyes, and for the tests that hold them. The people are made up.

import { loadWords } from "../core/words.js";
import {
  Announcer, Avatar, Badge, Button, Chip, Dialog, draw, Drawer, Empty, Field, html, Icon, Kbd, Menu,
  Part, Pill, Strip, Switch, Tabs, toast, Toasts, useState,
} from "../ui/index.js";

const { lang } = JSON.parse(document.getElementById("boot")?.textContent ?? "{}");
const { default: words } = await import(`../words/${lang}.js`);
loadWords(lang, words);

/** @param {{title: string, children?: any}} props */
const Shelf = ({ title, children }) => html`<section class="shelf"><h2>${title}</h2><div>${children}</div></section>`;

function Buttons() {
  const kinds = /** @type {const} */ (["filled", "tone", "text", "plain"]);
  return html`<${Shelf} title="Button">
    ${kinds.map((kind) => html`<${Button} kind=${kind}>Send<//><${Button} kind=${kind} icon="check" disabled>Done<//>`)}
    <${Button} danger icon="trash-2">Remove<//><${Button} danger kind="filled">Remove for good<//>
    <${Button} kind="filled" busy>Sending<//><${Button} href="#here" icon="external-link">A link<//>
    <${Button} icon="search" label="Search" /><${Button} icon="bell" label="Notify" aria-pressed="true" />
    <${Button} little>Little<//><${Button} little icon="x" label="Close" />
  <//>`;
}

function Fields() {
  const [on, setOn] = useState(true);
  const [name, setName] = useState("Boulangerie du Canal");
  const languages = [{ value: "en", label: "English" }, { value: "fr", label: "Français" }];
  return html`<${Shelf} title="Field, Switch">
    <${Field} label="Name" value=${name} onChange=${setName} hint="How customers see it." />
    <${Field} label="E-mail address" value="nobody" error="This is not an e-mail address." />
    <${Field} label="Language" value="fr" options=${languages} />
    <${Field} label="Opening hours" multiline value="Tuesday to Sunday, 7 to 19 h" />
    <${Field} label="Number" value="+33 7 00 00 00 00" readonly /><${Field} label="Later" value="" disabled />
    <${Switch} label="Sound" hint="For a new message." checked=${on} onChange=${setOn} />
    <${Switch} label="Off for now" checked=${false} disabled onChange=${setOn} />
  <//>`;
}

function Choices() {
  const [tab, setTab] = useState("reply");
  const [pressed, setPressed] = useState(true);
  const tabs = [{ id: "reply", label: "Reply" }, { id: "note", label: "Note", count: 2 }];
  return html`<${Shelf} title="Tabs, Chip, Menu">
    <${Tabs} tabs=${tabs} value=${tab} onChange=${setTab} label="What you write" panel="panel" />
    <p id="panel" role="tabpanel" aria-label="What you write">${tab}</p>
    <${Chip} pressed=${pressed} count=${4} onClick=${() => setPressed(!pressed)}>Unanswered<//>
    <${Chip} pressed=${false} count=${2} onClick=${() => setPressed(!pressed)}>Person<//>
    <${Chip} icon="bot" tone="bot">Bot on<//><${Chip} tone="warn" icon="clock">until 16:40<//>
    <${Chip} tone="danger">Not sent<//>
    ${[0, 1, 2, 3, 4, 5, 6, 7].map((hue) => html`<${Chip} hue=${hue}>Label ${hue + 1}<//>`)}
    <${Chip} hue=${2} onRemove=${() => {}} removeLabel="Take the label away">Wholesale<//>
    <${Menu} label="More actions" icon="ellipsis" items=${[
      "Conversation",
      { label: "Assign", icon: "user-check", keys: "i" },
      { label: "Newest first", checked: true },
      { label: "Longest waiting", checked: false },
      null,
      { label: "Only reads", icon: "lock", disabled: true, hint: "Ask an administrator." },
      { label: "Remove", icon: "trash-2", danger: true },
    ]} />
  <//>`;
}

function Small() {
  const people = ["Camille Roux", "Noé Lambert", "Lucía", "+33 6 10 00 00 01", "李小龍", "محمد علي", "Ødegård Å"];
  return html`<${Shelf} title="Avatar, Badge, Kbd, Icon">
    ${people.map((name) => html`<${Avatar} name=${name} />`)}<${Avatar} name="Bot" bot /><${Avatar} name="Amina" size="little" />
    <${Avatar} name="Amina Benali" size="large" />
    <${Badge} count=${3} label="3 new" /><${Badge} count=${120} /><${Badge} count=${2} tone="quiet" />
    <${Badge} count=${1} tone="warn" /><${Badge} count=${1} tone="danger" />
    <${Kbd} keys="Mod+k" /><${Kbd} keys="?" /><${Icon} name="check-check" label="Delivered" />
  <//>`;
}

function Lines() {
  return html`<${Shelf} title="Strip, Pill, Empty">
    <div class="wide">
      <${Strip} icon="wifi-off" tone="warn">No connection to our server. Your texts are kept here and leave when it is back.<//>
      <${Strip} tone="danger" icon="circle-alert" action=${{ label: "Numbers", href: "#here" }}>
        WhatsApp refuses this number’s access token. Nothing is lost; renew it in Numbers.
      <//>
      <${Strip} icon="info" action=${{ label: "Reload", onClick: () => {} }}>A new version is ready.<//>
      <${Strip} tone="ok" icon="circle-check">Everything is well.<//>
    </div>
    <${Pill} icon="arrow-down" onClick=${() => {}}>1 new<//>
    <${Empty} icon="circle-check" title="Everybody has an answer." />
    <${Empty} icon="search" title="Nobody called “leila”, and no message with it."
      action=${html`<${Button} kind="tone">Show everybody<//>`}>Try a part of the name.<//>
  <//>`;
}

function Floating() {
  const [open, setOpen] = useState("");
  const close = () => setOpen("");
  const actions = html`<${Button} onClick=${close}>Cancel<//><${Button} kind="filled" onClick=${close}>Send again<//>`;
  return html`<${Shelf} title="Dialog, Drawer, Toast">
    <${Button} kind="tone" onClick=${() => setOpen("dialog")}>Open a dialog<//>
    <${Button} kind="tone" onClick=${() => setOpen("drawer")}>Open a drawer<//>
    <${Button} kind="tone" onClick=${() => toast("Camille Roux is done.", { undo: () => {} })}>Say something<//>
    <${Dialog} open=${open === "dialog"} title="Send again?" onClose=${close} actions=${actions}>
      <p>The customer may get this twice.</p>
    <//>
    <${Drawer} open=${open === "drawer"} title="Camille Roux" onClose=${close}><p>Customer since March</p><//>
  <//>`;
}

/** @returns {any} */
function Broken() {
  throw new Error("a part that cannot be drawn");
}

function Failing() {
  const [broken, setBroken] = useState(false);
  return html`<${Shelf} title="Part">
    <${Part} name="specimen">${broken ? html`<${Broken} />` : html`<p>A part that is well.</p>`}<//>
    <${Button} kind="tone" onClick=${() => setBroken(true)}>Break it<//>
  <//>`;
}

draw(
  html`<main class="shelves"><h1>Parts</h1>
      <${Buttons} /><${Fields} /><${Choices} /><${Small} /><${Lines} /><${Floating} /><${Failing} />
    </main><${Toasts} /><${Announcer} />`,
);
document.documentElement.dataset.ready = "";
