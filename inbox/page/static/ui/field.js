import { classes, html, useId } from "./base.js";
import { Icon } from "./icon.js";

/**
 * A field with its label, what helps to fill it in, and what is wrong with it. `options` make it a choice,
 * `multiline` a text of several lines. `onChange` is given the new value.
 * @param {{label: any, value?: string, onChange?: (value: string) => void, hint?: any, error?: any,
 *   multiline?: boolean, options?: {value: string, label: string}[], hiddenLabel?: boolean, class?: string}
 *   & Record<string, any>} props
 */
export function Field({ label, value, onChange, hint, error, multiline, options, hiddenLabel, class: extra, ...rest }) {
  const id = useId();
  const told = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const control = {
    id,
    value,
    dir: options ? undefined : "auto",
    "aria-describedby": told,
    "aria-invalid": error ? "true" : undefined,
    onInput: (/** @type {any} */ event) => onChange?.(event.currentTarget.value),
    ...rest,
  };
  return html`<div class=${classes("field", error && "bad", extra)}>
    <label for=${id} class=${hiddenLabel ? "unseen" : undefined}>${label}</label>
    ${options ? choice(control, options) : multiline ? html`<textarea ...${control} />` : html`<input ...${control} />`}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error && html`<p class="error" id=${`${id}-error`}><${Icon} name="circle-alert" size=${16} />${error}</p>`}
  </div>`;
}

/**
 * @param {Record<string, any>} control
 * @param {{value: string, label: string}[]} options
 */
const choice = (control, options) => html`<select ...${control}>
  ${options.map(({ value, label }) => html`<option value=${value} selected=${value === control.value}>${label}</option>`)}
</select>`;

/**
 * Something that is on or off at once, without a button that saves it.
 * @param {{label: string, hint?: string, checked: boolean, onChange: (on: boolean) => void}
 *   & Record<string, any>} props
 */
export function Switch({ label, hint, checked, onChange, ...rest }) {
  const id = useId();
  return html`<label class="switch">
    <span>${label}${hint && html`<span class="small quiet" id=${id}>${hint}</span>`}</span>
    <input type="checkbox" role="switch" checked=${checked} aria-describedby=${hint ? id : undefined}
      onChange=${(/** @type {any} */ event) => onChange(event.currentTarget.checked)} ...${rest} />
  </label>`;
}
