/** Who is signed in, at the end of the rail: how the page looks for them, and the way out. */

import { plural, t } from "../core/words.js";
import { Avatar, Button, Dialog, html, Menu, toast, useState } from "../ui/index.js";
import { whyNot } from "./actions.js";
import { useApp } from "./context.js";

const LANGUAGES = { en: "English", fr: "Français" };

export function MeMenu() {
  const { drafts, outgoing, panels, prefer, preferences, store } = useApp();
  const [lost, setLost] = useState(0); // texts that signing out would lose: somebody is asked
  const me = store.me.value;
  const theme = preferences.value.theme ?? "system";
  const signOut = useSignOut();
  const look = (/** @type {string} */ name, /** @type {string} */ icon) => ({
    label: t(`theme.${name}`),
    icon,
    checked: theme === name,
    onSelect: () => {
      document.documentElement.dataset.theme = name;
      prefer({ theme: name });
    },
  });
  const items = () => [
    me.email ?? me.name,
    look("system", "monitor"),
    look("light", "sun"),
    look("dark", "moon"),
    null,
    ...Object.entries(LANGUAGES).map(([language, label]) => ({
      label: html`<span lang=${language}>${label}</span>`,
      checked: document.documentElement.lang === language,
      onSelect: () => speak(language),
    })),
    null,
    { label: t("rail.settings"), icon: "settings", href: "/settings" },
    { label: t("me.keys"), icon: "keyboard", keys: "?", onSelect: () => (panels.dialog.value = "help") },
    { label: t("me.sign_out"), icon: "log-out", onSelect: leave },
  ];
  const leave = async () => {
    const unsent = outgoing.count.peek() + (await drafts.unsaved());
    if (unsent) setLost(unsent);
    else signOut();
  };
  const speak = async (/** @type {string} */ language) => {
    await prefer({ language });
    location.reload(); // all words come with the page; what is being written is kept
  };
  return html`<span class="rail-me">
    <${Menu} class="rail-item" label=${t("me.menu", { name: me.name })} items=${items}>
      <${Avatar} name=${me.name} id=${me.id} size="little" /><span class="rail-name">${t("me.short")}</span>
    <//>
    <${Dialog} open=${lost > 0} title=${t("me.sign_out.ask")} onClose=${() => setLost(0)}
      actions=${html`<${Button} onClick=${() => setLost(0)}>${t("ui.cancel")}<//>
        <${Button} kind="filled" danger onClick=${signOut}>${t("me.sign_out.anyway")}<//>`}>
      <p>${plural("me.sign_out.unsent", lost)}</p>
    <//>
  </span>`;
}

/** Ends the session; what this browser keeps of the person goes with it. */
function useSignOut() {
  const { api, forget } = useApp();
  return async () => {
    try {
      await api.post("/auth/logout");
    } catch (error) {
      return toast(whyNot(error)); // still signed in: nothing is forgotten
    }
    await forget();
    location.assign("/sign-in");
  };
}
