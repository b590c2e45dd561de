// The page: who may ask, what is asked, and what comes back.

import { chat, forecast, isReady, model, ServerError } from "./api.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { count, tokens } from "./figures.js";
import { Settings } from "./settings.js";
import { AnswerView, QuestionView } from "./view.js";

const byId = (id) => document.getElementById(id);

const conversation = new Conversation();
const settings = new Settings(() => composer.refresh(), () => askForKey(""));
const composer = new Composer(send, (draft, signal) => forecast(conversation.request(settings.values, draft), settings.key, signal));
const views = [];
let running = null;                                             // stops what runs
let context = 0;                                                // tokens of prompt and answer at most

/** What screen readers hear; the answer itself they read when it is whole. */
const announce = (text) => (byId("status").textContent = text);

async function begin() {
  while (!(await isReady())) {
    byId("model").textContent = "The model is being loaded";
    await new Promise((done) => setTimeout(done, 1000));
  }
  try {
    const served = await model(settings.key);
    context = served.context_length;
    settings.offer(served.reasoning_efforts);
    byId("model").textContent = `${served.id}, ${count(context)} tokens of context`;
    byId("door").hidden = true;
    byId("welcome").hidden = conversation.turns.length > 0;
    composer.isEnabled = true;
    composer.area.focus();
  } catch (error) {
    if (error.status === 401) askForKey(settings.key ? error.message : "");
    else composer.say(error.message);
  }
}

function askForKey(message) {
  stop();
  composer.isEnabled = false;
  byId("model").textContent = "";
  byId("welcome").hidden = true;
  byId("door").hidden = false;
  byId("door-error").textContent = message;
  byId("key").focus();
}

function send() {
  if (running || composer.isEmpty || composer.area.disabled) return;
  const { text, files } = composer.draft;
  composer.say("");
  composer.clear();
  ask(text, files);
}

function ask(text, files) {
  byId("welcome").hidden = true;
  const turn = conversation.ask(text, files);
  show(new QuestionView(turn, edit));
  answer();
}

async function answer() {
  const body = conversation.request(settings.values);
  const view = show(new AnswerView(conversation.reply(), retry, announce));
  const own = (running = new AbortController());
  showRunning();
  announce("Sent.");
  let end = null, note = "";
  try {
    for await (const event of chat(body, settings.key, own.signal)) {
      view.add(event);
      end = event.usage ? event : end;
      note = event.reason ? noteOf(event.reason) : note;
      follow();
    }
    announce("The answer is complete.");
  } catch (error) {
    note = own.signal.aborted ? "Stopped." : error.message;
    if (!(error instanceof ServerError) && !own.signal.aborted) console.error(error);
    announce(note);
    if (error.status === 401) askForKey(error.message);
  }
  view.end(end, note);
  if (running !== own) return;                                  // a new conversation has begun meanwhile
  running = null;
  showContext(end?.usage);
  showRunning();
  follow();
}

const noteOf = (reason) => ({
  length: "The answer was cut off: it reached its limit of tokens, or ran in circles.",
  insufficient_system_resource: "The server stopped before the answer was complete.",
})[reason] ?? "";

// Closing the connection is what stops the server.
function stop() {
  running?.abort();
}

function retry() {
  if (running) return;
  conversation.takeBackReply();
  views.pop().element.remove();
  answer();
  composer.area.focus();
}

function edit() {
  if (running) return;
  if (!composer.isEmpty) {
    composer.say("Send or empty the message that you are writing, then edit the last one.");
    return;
  }
  while (!(views.at(-1) instanceof QuestionView)) views.pop().element.remove();
  views.pop().element.remove();
  const { text, files } = conversation.takeBackQuestion();
  showRunning();
  composer.set(text, files);
}

function clear() {
  stop();
  running = null;
  showRunning();
  conversation.clear();
  for (const view of views.splice(0)) view.element.remove();
  byId("welcome").hidden = !byId("door").hidden;
  byId("context").hidden = true;
  composer.say("");
  composer.refresh();
  composer.area.focus();
}

function show(view) {
  views.push(view);
  byId("log").append(view.element);
  byId("scroll").scrollTop = byId("scroll").scrollHeight;
  return view;
}

function showRunning() {
  const hadFocus = document.activeElement === byId("stop") || document.activeElement === byId("send");
  byId("stop").hidden = !running;
  byId("send").hidden = running !== null;
  if (hadFocus) (running ? byId("stop") : composer.area).focus();
  const question = views.findLastIndex((view) => view instanceof QuestionView);
  views.forEach((view, i) => (view.isLast = !running && i >= question));
}

function showContext(usage) {
  if (!usage) return;
  byId("context").hidden = false;
  byId("context").firstElementChild.textContent = `${count(usage.total_tokens)} of ${tokens(context)} used`;
  byId("context").lastElementChild.max = context;
  byId("context").lastElementChild.value = usage.total_tokens;
}

// The page follows the answer unless its reader has scrolled away.
let follows = true;
byId("scroll").addEventListener("scroll", ({ target }) => (follows = target.scrollHeight - target.scrollTop - target.clientHeight < 80));

function follow() {
  requestAnimationFrame(() => {
    if (follows) byId("scroll").scrollTop = byId("scroll").scrollHeight;
  });
}

// The message in front of it may grow.
new ResizeObserver(follow).observe(byId("scroll"));

byId("send").addEventListener("click", send);
byId("stop").addEventListener("click", stop);
byId("new").addEventListener("click", clear);
byId("door").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = byId("key").value.trim();
  byId("key").value = "";
  // No header could carry another one.
  if (!/^[\x21-\x7e]+$/.test(key)) return askForKey("A key has letters, digits and signs of ASCII, and no blanks.");
  settings.key = key;
  begin();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running && !byId("settings").open) stop();
});

begin();
