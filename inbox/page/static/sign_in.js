// What the sign-in form gains where scripts run: the password can be shown, times are the reader's, a click is one try.

const reveal = /** @type {HTMLButtonElement} */ (document.getElementById("reveal"));
const password = /** @type {HTMLInputElement} */ (document.getElementById("password"));
const form = /** @type {HTMLFormElement} */ (password.form);
const send = /** @type {HTMLButtonElement} */ (form.querySelector(".filled"));
const words = [reveal.textContent, reveal.dataset.hide];

reveal.hidden = false;
reveal.addEventListener("click", () => show(password.type === "password"));

/** @param {boolean} shown */
function show(shown) {
  password.type = shown ? "text" : "password";
  reveal.setAttribute("aria-pressed", String(shown));
  reveal.textContent = words[Number(shown)] ?? "";
}

form.addEventListener("submit", (event) => {
  if (send.getAttribute("aria-busy")) event.preventDefault();
  show(false); // browsers offer to keep what is in a password's field
  send.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", () => send.removeAttribute("aria-busy")); // somebody came back by the browser's button

const refused = document.getElementById("refused");
if (refused?.dataset.again) {
  const time = new Date(refused.dataset.again);
  const clock = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "numeric", minute: "2-digit" });
  refused.textContent = (refused.dataset.words ?? "").replace("{time}", clock.format(time));
}
