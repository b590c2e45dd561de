// Where a message is written: text, files, and what sending it would take.

import { ofForecast } from "./figures.js";
import { fileItem } from "./view.js";

const Pause = 350;                                              // milliseconds without a key before the server is asked
const Longest = 24 << 20;                                       // characters of files: a request has 32 MiB at most

const byId = (id) => document.getElementById(id);

/** The message that is being written. */
export class Composer {
  #files = [];
  #timer = 0;
  #asking = null;
  #asked = 0;

  /** @param {() => void} send  @param {(draft, signal) => Promise<object>} forecast asks the server */
  constructor(send, forecast) {
    this.forecast = forecast;
    this.area = byId("message");
    this.line = byId("forecast");
    this.area.addEventListener("input", () => this.#changed());
    this.area.addEventListener("keydown", (event) => {
      // While characters are put together, Enter belongs to the input method.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send();
      }
    });
    byId("attach").addEventListener("click", () => byId("pick").click());
    byId("pick").addEventListener("change", async (event) => {
      await this.#add(event.target.files);
      event.target.value = "";
    });
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#add(event.dataTransfer.files);
    });
  }

  get draft() {
    return { text: this.area.value.trim(), files: this.#files };
  }

  get isEmpty() {
    return this.area.value.trim() === "" && this.#files.length === 0;
  }

  set isEnabled(value) {
    this.area.disabled = !value;
    byId("send").disabled = !value;
  }

  set(text, files) {
    this.area.value = text;
    this.#files = files;
    this.#showFiles();
    this.#changed();
    this.area.focus();
  }

  clear() {
    this.area.value = "";
    this.#files = [];
    this.#showFiles();
    this.#grow();
    this.#forget();
  }

  /** Asks again what is written: something else of the request has changed. */
  refresh() {
    this.#asked = 0;
    this.#changed();
  }

  say(text) {
    byId("notice").textContent = text;
  }

  async #add(files) {
    this.say("");
    for (const file of files) {
      try {
        if (file.size > Longest) throw new RangeError(`is too large: a request holds ${Longest >> 20} MiB of text`);
        const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
        if (text.includes("\0")) throw new TypeError();
        this.#files = [...this.#files, { name: file.name, text }];
      } catch (error) {
        this.say(`${file.name} ${error instanceof RangeError ? error.message : "is no text in UTF-8. Save it as text and add it again"}.`);
      }
    }
    this.#showFiles();
    this.refresh();
    this.area.focus();
  }

  #showFiles() {
    byId("files").replaceChildren(...this.#files.map((file) => fileItem(file, () => {
      this.#files = this.#files.filter((other) => other !== file);
      this.#showFiles();
      this.refresh();
      this.area.focus();
    })));
  }

  #grow() {
    this.area.style.height = "auto";
    this.area.style.height = `${this.area.scrollHeight}px`;
  }

  #changed() {
    this.#grow();
    clearTimeout(this.#timer);
    if (this.isEmpty) this.#forget();
    else this.#timer = setTimeout(() => this.#ask(), Pause);
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asked = 0;
    this.line.textContent = "";
  }

  async #ask() {
    const length = this.area.value.length + this.#files.reduce((sum, file) => sum + file.text.length, 0);
    // A few letters more change nothing that is worth a question.
    if (this.#asked > 0 && Math.abs(length - this.#asked) < Math.max(40, length / 50)) return;
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    this.#asked = length;
    try {
      const forecast = await this.forecast(this.draft, asking.signal);
      this.line.textContent = ofForecast(forecast);
      this.line.classList.toggle("error", !forecast.fits);
    } catch {
      // A forecast is a courtesy: sending says what is wrong.
      if (!asking.signal.aborted) this.line.textContent = "";
    }
  }
}
