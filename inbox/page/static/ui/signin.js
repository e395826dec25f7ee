/** Signing in again over the page: nothing is reloaded, and what was being written goes on (B6). */

import { problemText, t } from "../core/words.js";
import { html, useState } from "./base.js";
import { Button } from "./button.js";
import { Dialog } from "./dialog.js";
import { Field } from "./field.js";

/**
 * @param {{open: boolean, known: string | null, api: import("../core/api.js").Api, onSignedIn: () => Promise<any>,
 *   children?: any}} props `known`: the e-mail address of who was signed in; the children say why they are asked
 */
export function SignInAgain({ open, known, api, onSignedIn, children }) {
  const [password, setPassword] = useState("");
  const [email, setEmail] = useState(known ?? "");
  const [trouble, setTrouble] = useState(/** @type {string | null} */ (null));
  const [busy, setBusy] = useState(false);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setTrouble(null);
    try {
      await api.post("/auth/login", { email, password });
      setPassword("");
      await onSignedIn();
    } catch (error) {
      setTrouble(problemText(/** @type {any} */ (error)));
    } finally {
      setBusy(false);
    }
  };
  const form = "sign-in-again";
  return html`<${Dialog} open=${open} title=${t("signin.again")}
    actions=${html`<${Button} kind="filled" type="submit" form=${form} busy=${busy}>${t("signin.go_on")}<//>`}>
    <p>${children}</p>
    <form id=${form} class="sign-in-again" onSubmit=${submit}>
      <${Field} label=${t("sign_in.email")} type="email" name="email" autocomplete="username" required value=${email}
        onChange=${setEmail} />
      <${Field} label=${t("sign_in.password")} type="password" name="password" data-first=${known !== null}
        autocomplete="current-password" required value=${password} onChange=${setPassword} error=${trouble} />
    </form>
  <//>`;
}
