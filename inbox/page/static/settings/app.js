/** The settings: a list of what there is on the left, one task on the right. On a phone one after the other. */

import { t } from "../core/words.js";
import { Announcer, Button, Empty, html, Icon, Part, signal, Toasts } from "../ui/index.js";
import { Audit } from "./audit.js";
import { Canned, ContactFields, Labels } from "./team.js";
import { useDesk } from "./desk.js";
import { Keys } from "./keys.js";
import { Me } from "./me.js";
import { Numbers } from "./numbers.js";
import { wouldLose } from "./leaving.js";
import { Ask, SignedOut } from "./parts.js";
import { People } from "./people.js";
import { Reports } from "./reports.js";
import { Roles } from "./roles.js";
import { SECTIONS } from "./sections.js";
import { Webhooks } from "./webhooks.js";

/** @typedef {import("./sections.js").Section} Section */

/** @type {Record<string, any>} */
const PARTS = {
  me: Me, numbers: Numbers, canned: Canned, labels: Labels, fields: ContactFields, people: People, roles: Roles, keys: Keys,
  webhooks: Webhooks, reports: Reports, audit: Audit,
};

/** Which section the address names; null: none, so a phone shows the list of them. */
const place = signal(sectionOf());
/** Where somebody wants to go who has typed something here; null: nowhere. */
const leaving = signal(/** @type {{ id: string | null } | null} */ (null));
addEventListener("popstate", () => {
  const id = sectionOf();
  if (id === place.value) return; // within the section
  if (!wouldLose()) return void (place.value = id);
  history.pushState(null, "", addressOf(place.value)); // what was typed is still shown
  leaving.value = { id };
});

/** @param {string | null} id */
const addressOf = (id) => (id ? `/settings/${id}` : "/settings");

function sectionOf() {
  return /^\/settings\/([a-z-]+)$/.exec(location.pathname)?.[1] ?? null;
}

/** @param {string | null} id */
function go(id) {
  if (wouldLose()) leaving.value = { id };
  else move(id);
}

/** @param {string | null} id */
function move(id) {
  leaving.value = null;
  history.pushState(null, "", addressOf(id));
  place.value = id;
  scrollTo(0, 0);
}

export function Settings() {
  const desk = useDesk();
  const allowed = SECTIONS.filter((each) => each.may(desk.boot.me));
  const wide = matchMedia("(min-width: 45rem)").matches;
  const open = place.value ?? (wide ? allowed[0]?.id : null) ?? null;
  const section = allowed.find((each) => each.id === open);
  document.title = section ? `${t(`settings.section.${section.id}`)} · ${t("settings.title")}` : t("settings.title");
  return html`<div class="settings" data-open=${place.value ? "task" : "list"}>
    <a class="skip unseen" href="#task">${t("settings.skip")}</a>
    <nav class="settings-list" aria-label=${t("settings.title")}>
      <a class="settings-back" href="/inbox"><${Icon} name="arrow-left" />${t("settings.inbox")}</a>
      <h1>${t("settings.title")}</h1>
      <ul>${allowed.map((each) => html`<li><${Entry} key=${each.id} section=${each} current=${each.id === open} /></li>`)}</ul>
    </nav>
    <main class="settings-task" id="task" tabindex="-1">
      ${section
        ? html`<header class="settings-head">
              <${Button} class="settings-up" icon="arrow-left" label=${t("settings.back")} onClick=${() => go(null)} />
              <h2>${t(`settings.section.${section.id}`)}</h2>
            </header>
            <${Part} key=${section.id} name=${section.id}><${PARTS[section.id]} /><//>`
        : open && html`<${Empty} icon="lock" title=${t("settings.closed")} />`}
    </main>
    <${Ask} open=${leaving.value !== null} title=${t("settings.discard.ask")} action=${t("settings.discard")}
      onYes=${() => move(leaving.value?.id ?? null)} onClose=${() => (leaving.value = null)} />
    <${SignedOut} />
    <${Toasts} undoKey=${null} />
    <${Announcer} />
  </div>`;
}

/** @param {{ section: Section, current: boolean }} props */
function Entry({ section, current }) {
  const click = (/** @type {MouseEvent} */ event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go(section.id);
  };
  return html`<a class="settings-entry" href=${`/settings/${section.id}`} aria-current=${current ? "page" : undefined}
    onClick=${click}><${Icon} name=${section.icon} />${t(`settings.section.${section.id}`)}</a>`;
}
