// What was said, and the body of the request that goes on from it.

/** One conversation, in memory only: closing the page forgets it. */
export class Conversation {
  /** Users' turns {role, text, files} and the model's {role, answer}, oldest first. */
  turns = [];

  get lastQuestion() {
    return this.turns.findLast((turn) => turn.role === "user");
  }

  ask(text, files) {
    this.turns.push({ role: "user", text, files });
    return this.turns.at(-1);
  }

  /** Opens the model's turn; its answer grows. */
  reply() {
    this.turns.push({ role: "assistant", answer: "" });
    return this.turns.at(-1);
  }

  /** Takes the last answer back. */
  takeBackReply() {
    if (this.turns.at(-1)?.role === "assistant") this.turns.pop();
  }

  /** Takes the last question back, with its answer. */
  takeBackQuestion() {
    this.takeBackReply();
    return this.turns.pop();
  }

  clear() {
    this.turns = [];
  }

  /**
   * The request that asks for the next answer. Reasoning is not sent back: the server remembers it where it matters.
   * @param settings of the page  @param draft a question that is not asked yet, as {text, files}; null for none
   */
  request(settings, draft = null) {
    const turns = draft ? [...this.turns, { role: "user", ...draft }] : this.turns;
    const messages = turns.filter((turn) => turn.role === "user" || turn.answer !== "").map((turn) =>
      turn.role === "user" ? { role: "user", content: contentOf(turn) } : { role: "assistant", content: turn.answer });
    if (settings.system) messages.unshift({ role: "system", content: settings.system });
    const body = { messages, thinking: { type: settings.thinking ? "enabled" : "disabled" } };
    if (settings.thinking && settings.effort) body.reasoning_effort = settings.effort;
    if (!settings.thinking && settings.temperature !== null) body.temperature = settings.temperature;
    if (settings.maxTokens !== null) body.max_tokens = settings.maxTokens;
    return body;
  }
}

// Files in the form that DeepSeek recommends, in front of the question: another question finds them in the cache.
function contentOf({ text, files }) {
  return files.map((file) => `[file name]: ${file.name}\n[file content begin]\n${file.text}\n[file content end]\n`).join("") + text;
}
