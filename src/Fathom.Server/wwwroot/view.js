// Turns of the conversation as elements of the page. What people and models write goes in as text, never as HTML.

import { duration, ofAnswer, count, tokens } from "./figures.js";
import { MarkdownView, element } from "./markdown.js";

/** A button. @param {() => void} act */
export function button(label, className, act) {
  const result = element("button", className, label);
  result.type = "button";
  result.addEventListener("click", act);
  return result;
}

/** Copies a text and says so on the button. */
export function copyButton(textOf, className = "quiet") {
  const result = button("Copy", className, async () => {
    result.textContent = (await copy(textOf())) ? "Copied" : "Not copied";
    setTimeout(() => (result.textContent = "Copy"), 1500);
  });
  return result;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS browsers keep the clipboard from pages that are not of this machine; the older way still works there.
    const area = element("textarea", "unseen");
    area.value = text;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    return isCopied;
  }
}

/** A file's name and size, with a button that takes it back where there is one. */
export function fileItem(file, remove) {
  const item = element("li", "file");
  item.append(element("span", "", file.name), element("span", "note", `${count(file.text.length)} characters`));
  if (remove) {
    const cross = button("×", "quiet", remove);
    cross.setAttribute("aria-label", `Remove ${file.name}`);
    item.append(cross);
  }
  return item;
}

/** What the user said. */
export class QuestionView {
  #edit;

  /** @param {() => void} edit of the last question */
  constructor(turn, edit) {
    this.element = element("article", "question");
    this.element.setAttribute("aria-label", "You");
    if (turn.files.length > 0) {
      const files = element("ul", "files");
      files.append(...turn.files.map((file) => fileItem(file)));
      this.element.append(files);
    }
    if (turn.text) this.element.append(element("div", "text", turn.text));
    const actions = element("div", "actions");
    this.#edit = button("Edit", "quiet", edit);
    actions.append(copyButton(() => turn.text), this.#edit);
    this.element.append(actions);
  }

  set isLast(value) {
    this.#edit.hidden = !value;
  }
}

/** What the model says: how far it has read, its thinking, its answer, and what they took. */
export class AnswerView {
  #begin = performance.now();
  #first = null;
  #thinkingEnd = null;
  #drawn = false;
  #state = element("div", "state");
  #stateText = element("p", "", "Waiting for the server");
  #bar = element("progress");
  #thinking = element("details", "thinking");
  #summary = element("summary");
  #thoughts = element("div", "text");
  #answer = element("div", "answer");
  #actions = element("div", "actions");
  #foot = element("div", "foot");
  #retry;

  /** @param turn the model's  @param {() => void} retry of the last answer  @param {(text: string) => void} announce to who listens */
  constructor(turn, retry, announce) {
    this.turn = turn;
    this.announce = announce;
    this.element = element("article", "reply");
    this.element.setAttribute("aria-label", "Fathom");
    this.element.setAttribute("aria-busy", "true");
    this.#bar.setAttribute("aria-label", "Prompt read");
    this.#bar.hidden = true;
    this.#state.append(this.#stateText, this.#bar);
    this.#thinking.hidden = true;
    this.#thinking.append(this.#summary, this.#thoughts);
    this.#retry = button("Retry", "quiet", retry);
    this.markdown = new MarkdownView(this.#answer, (code) => copyButton(() => code, "quiet copy-code"));
    this.#actions.append(copyButton(() => this.turn.answer), this.#retry);
    this.#actions.hidden = true;
    this.#foot.append(this.#actions);
    this.element.append(this.#state, this.#thinking, this.#answer, this.#foot);
    this.timer = setInterval(() => this.#tick(), 200);
  }

  set isLast(value) {
    this.#retry.hidden = !value;
  }

  /** Takes an event of the stream. */
  add(event) {
    if (event.progress) this.#read(event.progress);
    if (event.reasoning !== undefined || event.answer !== undefined) {
      this.#first ??= performance.now();
      this.#state.hidden = true;
    }
    if (event.reasoning !== undefined) {
      if (this.#thinking.hidden) {
        this.#thinking.hidden = false;
        this.#thinking.open = true;
        this.#tick();
        this.announce("Thinking.");
      }
      this.#thoughts.append(event.reasoning);
    }
    if (event.answer !== undefined) {
      if (this.turn.answer === "") this.#endThinking();
      this.turn.answer += event.answer;
      this.#draw();
    }
  }

  /**
   * The end.
   * @param end {usage, timings}, as the server told them; null where it could not  @param {string} note why it ended, where that is not plain; else empty
   */
  end(end, note) {
    clearInterval(this.timer);
    this.#state.remove();
    this.#endThinking(end?.usage.completion_tokens_details.reasoning_tokens);
    this.markdown.show(this.turn.answer);
    if (note) this.#answer.after(element("p", "ending", note));
    if (end && this.#first !== null) {
      const list = element("ul", "figures");
      list.setAttribute("aria-label", "What this answer took, in tokens");
      list.append(...ofAnswer(end.timings, (this.#first - this.#begin) / 1000).map((figure) => element("li", "", figure)));
      this.#foot.prepend(list);
    }
    this.#actions.hidden = false;
    this.element.setAttribute("aria-busy", "false");
  }

  #read({ total, cache, processed, left_ms: left }) {
    const unread = total - cache;
    const isLong = left !== undefined && unread > 256;
    this.#stateText.textContent = isLong
      ? `Reading: ${count(processed - cache)} of ${tokens(unread)}, about ${duration(left / 1000)} left` : `Reading ${tokens(unread)}`;
    this.#bar.hidden = !isLong;
    this.#bar.max = Math.max(unread, 1);
    this.#bar.value = processed - cache;
  }

  // At most once a frame, however fast tokens come.
  #draw() {
    if (this.#drawn) return;
    this.#drawn = true;
    requestAnimationFrame(() => {
      this.#drawn = false;
      this.markdown.show(this.turn.answer);
    });
  }

  #tick() {
    if (!this.#thinking.hidden && this.#thinkingEnd === null) {
      this.#summary.textContent = `Thinking, ${duration((performance.now() - this.#first) / 1000)}`;
    }
  }

  #endThinking(reasoningTokens) {
    if (this.#thinking.hidden) return;
    if (this.#thinkingEnd === null) {
      this.#thinkingEnd = performance.now();
      this.#thinking.open = false;
      this.announce("Answering.");
    }
    const thought = `Thought for ${duration((this.#thinkingEnd - this.#first) / 1000)}`;
    this.#summary.textContent = reasoningTokens ? `${thought}, ${tokens(reasoningTokens)}` : thought;
  }
}
