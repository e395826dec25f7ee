/** What somebody chooses for themselves. Each choice holds at once; there is no button that saves. */

import { playSound } from "../core/sound.js";
import { t } from "../core/words.js";
import { Button, Field, html, Switch, toast, useState } from "../ui/index.js";
import { useCall, useDesk, whyNot } from "./desk.js";
import { useLeaving } from "./leaving.js";
import { Group, Trouble } from "./parts.js";

const LANGUAGES = { en: "English", fr: "Français" };

export function Me() {
  const { boot, api, preferences } = useDesk();
  const chosen = preferences.value;
  const prefer = async (/** @type {string} */ name, /** @type {any} */ value) => {
    const before = preferences.peek();
    preferences.value = { ...before, [name]: value };
    try {
      await api.patch("/auth/me", { preferences: { [name]: value } });
      if (name === "language") location.reload(); // all words come with the page
    } catch (error) {
      preferences.value = before;
      toast(whyNot(error));
    }
    if (name === "theme") document.documentElement.dataset.theme = preferences.peek().theme;
  };
  const own = (/** @type {string} */ name) => ({ checked: chosen[name], onChange: (/** @type {boolean} */ on) => prefer(name, on) });
  const choice = (/** @type {string} */ name, /** @type {string[]} */ values) => html`<${Field} label=${t(`set.me.${name}`)} value=${chosen[name] ?? ""}
    options=${values.map((value) => ({ value, label: t(`set.me.${name}.${value}`) }))} onChange=${(/** @type {string} */ value) => prefer(name, value)} />`;
  const languages = [
    { value: "", label: t("set.me.language.browser") },
    ...Object.entries(LANGUAGES).map(([value, label]) => ({ value, label })),
  ];
  return html`<div class="settings-groups">
    <${Group} title=${t("set.me.who")}><${Name} /></${Group}>
    ${boot.me.has_password && html`<${Group} title=${t("set.me.password")}><${Password} /></${Group}>`}
    <${Group} title=${t("set.me.look")}>
      <${Field} label=${t("set.me.language")} value=${chosen.language ?? ""} options=${languages}
        onChange=${(/** @type {string} */ value) => prefer("language", value || null)} />
      ${choice("theme", ["system", "light", "dark"])}
      ${choice("list_order", ["newest", "waiting"])}
    </${Group}>
    <${Group} title=${t("set.me.writing")}>
      <${Switch} label=${t("set.me.enter_sends")} hint=${t("set.me.enter_sends.hint")} ...${own("enter_sends")} />
      <${Switch} label=${t("set.me.keys")} hint=${t("set.me.keys.hint")} ...${own("keys")} />
    </${Group}>
    <${Group} title=${t("set.me.told")}>
      ${choice("notify", ["nothing", "mine", "needs_human", "all"])}
      <${Permission} />
      <${Switch} label=${t("set.me.notify_text")} hint=${t("set.me.notify_text.hint")} ...${own("notify_text")} />
      <${Switch} label=${t("set.me.sound")} ...${own("sound")} />
      <p class="buttons"><${Button} kind="tone" icon="volume-2" onClick=${test}>${t("set.me.sound.test")}<//></p>
    </${Group}>
    <p class="meta">${boot.me.email}</p>
  </div>`;
}

function Name() {
  const { api, me } = useDesk();
  const [name, setName] = useState(me.value.name);
  const { busy, errors, trouble, run } = useCall();
  const changed = name.trim() !== me.value.name;
  useLeaving(changed);
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const answer = changed && (await run(() => api.patch("/auth/me", { name: name.trim() }), t("settings.saved")));
    if (!answer) return;
    me.value = answer.body;
    form.querySelector("input")?.focus(); // the button that was pressed is gone
  };
  return html`<form class="settings-line" onSubmit=${save}>
    <${Field} label=${t("set.me.name")} hint=${t("set.me.name.hint")} value=${name} onChange=${setName} error=${errors["/name"]} required autocomplete="name" />
    ${changed && html`<${Button} kind="filled" type="submit" busy=${busy}>${t("settings.save")}<//>`}
    <${Trouble} text=${trouble} />
  </form>`;
}

/** Another password of one's own. It ends all sessions and begins one here, with which this page goes on. */
function Password() {
  const { api, boot } = useDesk();
  const [form, setForm] = useState({ current: "", password: "" });
  const { busy, errors, trouble, run } = useCall();
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => setForm({ ...form, [name]: value });
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!(await run(() => api.put("/auth/password", form), t("set.me.password.changed")))) return;
    setForm({ current: "", password: "" });
    await api.renew();
  };
  return html`<form class="settings-form" onSubmit=${save}>
    <input class="unseen" type="email" autocomplete="username" value=${boot.me.email} tabindex="-1" aria-hidden="true" readonly />
    <${Field} label=${t("set.me.password.current")} type="password" autocomplete="current-password" required maxlength="1024"
      value=${form.current} onChange=${set("current")} error=${errors["/current"]} />
    <${Field} label=${t("set.me.password.new")} hint=${t("set.me.password.hint")} type="password" autocomplete="new-password" required
      maxlength="1024" value=${form.password} onChange=${set("password")} error=${errors["/password"]} />
    <${Trouble} text=${trouble} />
    <p class="buttons"><${Button} kind="tone" type="submit" busy=${busy}>${t("set.me.password.change")}<//></p>
  </form>`;
}

/** Whether the browser lets us notify: it is asked by our button, never by itself. */
function Permission() {
  const [state, setState] = useState("Notification" in window ? Notification.permission : "missing");
  if (state === "granted") return null;
  if (state === "default") {
    const ask = async () => setState(await Notification.requestPermission());
    return html`<p class="buttons"><${Button} kind="tone" icon="bell" onClick=${ask}>${t("set.me.notify.ask")}<//></p>`;
  }
  return html`<p class="hint">${t(state === "denied" ? "set.me.notify.denied" : "set.me.notify.missing")}</p>`;
}

/** Two short notes, or why there are none. */
const test = () => playSound().then(
  () => toast(t("set.me.sound.played")),
  () => toast(t("set.me.sound.forbidden")),
);
