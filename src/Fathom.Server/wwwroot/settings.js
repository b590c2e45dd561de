// How answers are asked for. Settings and key live in the tab's session and are gone when the tab is closed.

const Stored = "fathom.settings";
const StoredKey = "fathom.key";
const Defaults = { thinking: true, effort: "", temperature: null, maxTokens: null, system: "" };

const byId = (id) => document.getElementById(id);

/** The panel of settings, and what is set. */
export class Settings {
  values = { ...Defaults, ...JSON.parse(sessionStorage.getItem(Stored) ?? "{}") };

  /** @param {() => void} changed is called when something was set  @param {() => void} forgotten when the key is to be forgotten */
  constructor(changed, forgotten) {
    this.changed = changed;
    this.dialog = byId("settings");
    byId("open-settings").addEventListener("click", () => this.open());
    byId("close-settings").addEventListener("click", () => this.dialog.close());
    byId("thinking").addEventListener("change", () => this.#showDependent());
    byId("forget-key").addEventListener("click", () => {
      this.dialog.close();
      this.key = null;
      forgotten();
    });
    this.dialog.addEventListener("close", () => this.#take());
    // A click beside the panel closes it.
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  get key() {
    return sessionStorage.getItem(StoredKey);
  }

  set key(value) {
    if (value) sessionStorage.setItem(StoredKey, value);
    else sessionStorage.removeItem(StoredKey);
  }

  /** @param {string[]} efforts that the model's prompts tell apart */
  offer(efforts) {
    const select = byId("effort");
    select.replaceChildren(select.options[0], ...efforts.map((effort) => new Option(effort, effort)));
    if (!efforts.includes(this.values.effort)) this.values.effort = "";
  }

  open() {
    const { thinking, effort, temperature, maxTokens, system } = this.values;
    byId("thinking").checked = thinking;
    byId("effort").value = effort;
    byId("temperature").value = temperature ?? "";
    byId("temperature").placeholder = "1";
    byId("max-tokens").value = maxTokens ?? "";
    byId("system").value = system;
    byId("forget-key").hidden = this.key === null;
    this.#showDependent();
    this.dialog.showModal();
  }

  #showDependent() {
    const thinks = byId("thinking").checked;
    byId("effort").disabled = !thinks;
    byId("temperature").disabled = thinks;
  }

  // What is out of range goes to the server as it is, which says so in words.
  #take() {
    this.values = {
      thinking: byId("thinking").checked,
      effort: byId("effort").value,
      temperature: numberOf("temperature"),
      maxTokens: numberOf("max-tokens"),
      system: byId("system").value.trim(),
    };
    sessionStorage.setItem(Stored, JSON.stringify(this.values));
    this.changed();
  }
}

function numberOf(id) {
  const value = byId(id).valueAsNumber;
  return Number.isNaN(value) ? null : value;
}
