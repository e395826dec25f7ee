/** What the bot of a number knows, as a form; beside it, what it would answer from the form as it stands. */

import { plural, t } from "../core/words.js";
import { Announcer, Button, Dialog, html, Icon, Part, Toasts, toast, useState } from "../ui/index.js";
import { errorsOf, useDesk, whyNot } from "../settings/desk.js";
import { useLeaving } from "../settings/leaving.js";
import { Ask, SignedOut, Trouble } from "../settings/parts.js";
import { Control } from "./fields.js";
import { bodyOf, changed, errorAt, notAddresses, SECTIONS } from "./profile.js";
import { Bench } from "./bench.js";
import { Preview } from "./preview.js";
import { Sources } from "./sources.js";
import { Versions } from "./versions.js";

export function Editor() {
  const { api, boot } = useDesk();
  const path = `/bot/profile/${boot.account_id}`;
  const account = boot.accounts.find((/** @type {any} */ each) => each.id === boot.account_id);
  const [saved, setSaved] = useState(/** @type {any} */ (boot.profile));
  const [profile, setProfile] = useState(/** @type {any} */ (boot.profile));
  const [errors, setErrors] = useState(/** @type {Record<string, string>} */ ({}));
  const [trouble, setTrouble] = useState(/** @type {string | null} */ (null));
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState("");
  const [trying, setTrying] = useState(false);
  const take = (/** @type {any} */ body) => {
    setSaved(body);
    setProfile(body);
    setErrors({});
    setTrouble(null);
  };
  const load = async () => {
    try {
      take((await api.get(path)).body);
    } catch (error) {
      setTrouble(whyNot(error));
    }
  };
  const changes = changed(saved, profile);
  useLeaving(changes.length > 0);
  document.title = t("bot.title", { name: account?.name ?? "" });

  const save = async (/** @type {boolean} */ over) => {
    const wrong = notAddresses(profile).filter((pointer) => changes.includes(pointer)); // what was there before stays
    if (wrong.length) return mark(Object.fromEntries(wrong.map((pointer) => [pointer, t("bot.not_an_address")])), null);
    setBusy(true);
    try {
      const now = over ? null : (await api.get(path)).body;
      if (now && now.updated_at !== saved.updated_at) return setAsking("overtaken");
      const { body } = await api.put(path, bodyOf(profile));
      take(body);
      setAsking("");
      toast(t("bot.saved"));
      document.getElementById("form")?.focus({ preventScroll: true }); // the button that was pressed is gone
    } catch (error) {
      setAsking("");
      show(error);
    } finally {
      setBusy(false);
    }
  };
  const show = (/** @type {any} */ error) => {
    const found = Object.fromEntries(Object.entries(errorsOf(error)).map(([pointer, text]) => [pointer.replace(/^\/profile(?=\/)/, ""), text]));
    mark(found, error);
  };
  const mark = (/** @type {Record<string, string>} */ found, /** @type {any} */ error) => {
    setErrors(found);
    const wrong = Object.keys(found).length;
    setTrouble(wrong ? plural("bot.wrong", wrong) : whyNot(error));
    if (wrong) requestAnimationFrame(() => /** @type {HTMLElement | null} */ (document.querySelector(".bot-form [aria-invalid]"))?.focus());
  };
  const discard = () => {
    setProfile(saved);
    setErrors({});
    setTrouble(null);
    setAsking("");
  };
  const change = (/** @type {any} */ next) => setProfile(next);

  return html`<div class="bot">
    <a class="skip unseen" href="#form">${t("settings.skip")}</a>
    <header class="bot-head">
      <${Button} icon="arrow-left" label=${t("bot.back")} href="/settings/numbers" />
      <div><h1>${t("bot.heading")}</h1><p class="quiet"><bdi>${account?.name}</bdi></p></div>
      <${Button} class="bot-try" kind="tone" icon="bot" onClick=${() => setTrying(true)}>${t("bot.try")}<//>
    </header>
    <nav class="bot-nav" aria-label=${t("bot.sections")}>
      ${SECTIONS.map(({ id, fields }) => {
        const wrong = fields.some(({ pointer }) => errorAt(errors, pointer));
        const mine = fields.filter(({ pointer }) => changes.includes(pointer)).length;
        return html`<a key=${id} href=${`#${id}`}>${t(`bot.section.${id}`)}${wrong
          ? html`<${Icon} name="circle-alert" size=${16} label=${t("bot.section.wrong")} class="bot-wrong" />`
          : mine > 0 && html`<span class="bot-dot"><span class="unseen">${t("bot.section.changed")}</span></span>`}</a>`;
      })}
      ${["test", "versions"].map((id) => html`<a key=${id} href=${`#${id}`}>${t(`bot.section.${id}`)}</a>`)}
    </nav>
    <main class="bot-form" id="form" tabindex="-1">
      ${SECTIONS.map(({ id, fields }) => html`<section key=${id} id=${id} aria-labelledby=${`${id}-title`}>
        <h2 id=${`${id}-title`}>${t(`bot.section.${id}`)}</h2>
        <p class="quiet">${t(`bot.about.${id}`)}</p>
        ${fields.map((field) => html`<${Control} key=${field.pointer} field=${field} profile=${profile} errors=${errors} onChange=${change} />`)}
        ${id === "knowledge" && html`<${Sources} />`}
      </section>`)}
      <${More} id="test"><${Bench} profile=${profile} unsaved=${changes.length > 0} /><//>
      <${More} id="versions"><${Versions} saved=${saved} onRestored=${take} /><//>
    </main>
    <aside class="bot-preview" data-open=${trying ? "" : undefined} aria-label=${t("bot.preview")}>
      <${Part} name="preview"><${Preview} profile=${profile} unsaved=${changes.length > 0} onError=${show} onClose=${() => setTrying(false)} /><//>
    </aside>
    <div class="bot-bar" data-shown=${changes.length > 0 || trouble ? "" : undefined}>
      <${Trouble} text=${trouble} />
      ${changes.length > 0 && html`<span role="status">${plural("bot.changes", changes.length)}</span>
        <span class="buttons"><${Button} onClick=${() => setAsking("discard")}>${t("bot.discard")}<//>
        <${Button} kind="filled" busy=${busy} onClick=${() => save(false)}>${t("settings.save")}<//></span>`}
    </div>
    <${Ask} open=${asking === "discard"} title=${plural("bot.discard.ask", changes.length)} action=${t("bot.discard")} onYes=${discard} onClose=${() => setAsking("")}>${t("bot.discard.detail")}<//>
    <${Dialog} open=${asking === "overtaken"} title=${t("bot.overtaken")} onClose=${() => setAsking("")}
      actions=${html`<${Button} onClick=${() => setAsking("")}>${t("ui.cancel")}<//><${Button} onClick=${() => (setAsking(""), load())}>${t("bot.overtaken.theirs")}<//>
        <${Button} kind="filled" busy=${busy} onClick=${() => save(true)}>${t("bot.overtaken.mine")}<//>`}>
      <p>${t("bot.overtaken.detail")}</p>
    <//>
    <${SignedOut} /><${Toasts} undoKey=${null} /><${Announcer} />
  </div>`;
}

/** A section that is no part of the form. @param {{ id: string, children?: any }} props */
function More({ id, children }) {
  return html`<section id=${id} aria-labelledby=${`${id}-title`}>
    <h2 id=${`${id}-title`}>${t(`bot.section.${id}`)}</h2>
    <p class="quiet">${t(`bot.about.${id}`)}</p>
    ${children}
  </section>`;
}
