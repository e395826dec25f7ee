import { t } from "../core/words.js";
import { Component, html } from "./base.js";
import { Button } from "./button.js";

/**
 * A part of the page that may fail alone: the others stay as they are, and this one can be drawn again.
 * @augments {Component<{name: string, children?: any}, {error: any}>}
 */
export class Part extends Component {
  state = { error: /** @type {any} */ (null) };

  /** @param {any} error */
  static getDerivedStateFromError(error) {
    return { error };
  }

  /** @param {any} error */
  componentDidCatch(error) {
    console.error(this.props.name, error);
  }

  render() {
    const { error } = this.state;
    if (error === null) return this.props.children;
    const details = `${this.props.name}: ${error?.stack ?? error}`;
    return html`<div class="broken" role="alert">
      <p>${t("ui.broken")}</p>
      <div class="buttons">
        <${Button} kind="tone" icon="refresh-cw" onClick=${() => this.setState({ error: null })}>${t("ui.again")}<//>
        <${Button} icon="copy" onClick=${() => navigator.clipboard?.writeText(details)}>${t("ui.copy_details")}<//>
      </div>
    </div>`;
  }
}
