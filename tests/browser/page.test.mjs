// The chat page in a real browser, against a real server. Run: npm ci && npm test. SCREENSHOTS=DIR keeps pictures of it.
import assert from "node:assert/strict";
import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { startServer } from "./server.mjs";

const Switches = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const Key = "a-key-of-many-letters";
const Hostile = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>";
const Prose = "The river went down to the great sea, and the old men built their ships there. ";

let browser, profile;

before(async () => {
  profile = await mkdtemp(join(tmpdir(), "fathom-browser-"));
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: Switches });
});

after(async () => {
  await browser?.close();
  await rm(profile, { recursive: true });
});

/** A page of a server of its own, which is checked at the end: no errors on the console, no request to elsewhere. */
async function onPage(replies, options, act) {
  const server = await startServer(replies, options);
  const context = await browser.newContext({ viewport: { width: 1100, height: 820 }, ...options.context });
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => message.type() === "error" && !options.expected?.test(message.text()) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("request", (request) => new URL(request.url()).origin !== server.origin && faults.push(`request to ${request.url()}`));
  try {
    await page.goto(server.origin);
    await act(page, server);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
    const said = await server.stop();
    assert.ok(!said.some((line) => line.includes("defect")), said.join("\n"));
  }
}

const message = (page) => page.getByRole("textbox", { name: "Message" });
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
const lastReply = (page) => page.locator(".reply").last();
const done = (page) => page.waitForFunction(() => [...document.querySelectorAll(".reply")].at(-1)?.getAttribute("aria-busy") === "false");
const figures = async (page) => (await lastReply(page).locator(".figures").innerText()).replaceAll("\n", ", ");

async function ask(page, text) {
  await message(page).fill(text);
  await message(page).press("Enter");
  await done(page);
}

async function picture(page, name) {
  if (process.env.SCREENSHOTS) await writeFile(join(process.env.SCREENSHOTS, `${name}.png`), await page.screenshot());
}

test("a turn with thinking streams, and the next one finds the first in the cache", () => onPage(
  [`${"I think of ships. ".repeat(40)}</think>They built **ships**.`, "So I do.</think>Yes."], {}, async (page) => {
    await page.evaluate(() => {
      window.seen = [];
      const note = () => {
        const [details, thoughts, answer] = [".thinking", ".thinking .text", ".answer"].map((name) => document.querySelector(name));
        if (details && !details.hidden && answer.textContent === "") {
          window.seen.push({ isOpen: details.open, title: details.firstChild.textContent, length: thoughts.textContent.length });
        }
      };
      new MutationObserver(note).observe(document.getElementById("log"), { childList: true, subtree: true, characterData: true });
    });
    await ask(page, Prose.repeat(8));
    const thoughts = await page.evaluate(() => window.seen);
    assert.ok(new Set(thoughts.map((thought) => thought.length)).size > 10, "the thinking came in one piece");
    assert.ok(thoughts.some((thought) => thought.isOpen && /^Thinking, [\d.]+ m?s$/.test(thought.title)), JSON.stringify(thoughts.slice(0, 3)));
    const thinking = lastReply(page).locator("details.thinking");
    assert.match(await thinking.locator("summary").innerText(), /^Thought for .* s, \d+ tokens$/);
    assert.equal(await thinking.getAttribute("open"), null);
    assert.equal(await lastReply(page).locator(".answer").innerText(), "They built ships.");
    assert.equal(await lastReply(page).locator(".answer strong").innerText(), "ships");
    assert.match(await figures(page), /^First token after .* m?s, \d+ tokens read at [\d,.]+\/s, none cached, \d+ written at [\d,.]+\/s$/);

    await ask(page, "Sure?");
    assert.match(await figures(page), / read, \d{2,} cached, /);
    assert.match(await page.locator("#context").innerText(), /^[\d,]+ of [\d,]+ tokens used/);
  }));

test("stop ends the server's work, by key and by button", () => onPage(
  ["I begin.</think>" + "and on and on ".repeat(4000), "I begin.</think>" + "so it goes ".repeat(4000), "Hm.</think>Here."], {}, async (page, server) => {
    for (const stop of [() => page.keyboard.press("Escape"), () => page.getByRole("button", { name: "Stop" }).click()]) {
      await message(page).fill("Go on.");
      await message(page).press("Enter");
      await page.waitForFunction(() => [...document.querySelectorAll(".answer")].at(-1).textContent.length > 20);
      assert.equal(await server.requests(), 1);
      await stop();
      await done(page);
      assert.equal(await lastReply(page).locator(".ending").innerText(), "Stopped.");
      while ((await server.requests()) > 0) await new Promise((next) => setTimeout(next, 5));
    }
    await ask(page, "Are you there?");
    assert.equal(await lastReply(page).locator(".answer").innerText(), "Here.");
  }));

test("a long text is forecast before it is sent, and its reading is shown", () => onPage(["Hm.</think>One.", "Hm.</think>Two."], {}, async (page) => {
  await ask(page, Prose.repeat(40));
  const forecast = page.locator("#forecast");
  await message(page).fill("Short.");
  await page.waitForResponse((response) => response.url().endsWith("/v1/forecast"));
  assert.equal(await forecast.innerText(), "");
  await page.setInputFiles("#pick", { name: "ships.txt", mimeType: "text/plain", buffer: Buffer.from(Prose.repeat(600)) });
  await forecast.filter({ hasText: "to read" }).waitFor();
  assert.match(await forecast.innerText(), /^[\d,]{5,} tokens to read(, \d+ of [\d,]+ cached)?, about [\d.]+ s$/);
  assert.match(await page.locator("#files").innerText(), /ships\.txt/);
  await picture(page, "forecast");
  await message(page).press("Enter");
  await page.getByText(/Reading: [\d,]+ of [\d,]+ tokens, about .* left/).waitFor();
  await picture(page, "reading");
  await done(page);
  assert.match(await figures(page), /[\d,]{5,} tokens read at/);
  assert.equal(await forecast.innerText(), "");
}));

test("a file that is dropped is forecast, and its reading can be stopped", () => onPage(["Hm.</think>One.", "Hm.</think>Two."], {}, async (page, server) => {
  await page.waitForFunction(() => document.activeElement.id === "message");
  await page.evaluate((text) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([text], "ships.txt", { type: "text/plain" }));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  }, Prose.repeat(1000));
  // No request was made yet: the server has measured its speed by itself.
  await page.locator("#forecast").filter({ hasText: /^[\d,]{5,} tokens to read, about / }).waitFor();
  await message(page).press("Enter");
  await page.getByText(/^Reading: /).waitFor();
  await page.keyboard.press("Escape");
  await done(page);
  assert.equal(await lastReply(page).locator(".ending").innerText(), "Stopped.");
  while ((await server.requests()) > 0) await new Promise((next) => setTimeout(next, 5));
  // What was read stays: the same prompt needs less now.
  await page.getByRole("button", { name: "Edit" }).click();
  await page.locator("#forecast").filter({ hasText: /to read, [\d,]+ of [\d,]+ cached, / }).waitFor();
}));

test("what can't fit is said before it is sent, and refused in words", () => onPage(["One."], { arguments: ["--context", "512"], expected: /status of 400/ }, async (page) => {
  await message(page).fill(Prose.repeat(80));
  await page.locator("#forecast.error").filter({ hasText: "Shorten it" }).waitFor();
  await message(page).press("Enter");
  await done(page);
  assert.match(await lastReply(page).locator(".ending").innerText(), /The prompt has [\d,]+ tokens, and the context of 512/);
}));

test("markup in replies and in questions stays text", () => onPage([`Hm ${Hostile}</think>Look: ${Hostile}\n\n\`\`\`html\n${Hostile}\n\`\`\`\n\n- ${Hostile}`], {}, async (page) => {
  await ask(page, Hostile);
  assert.equal(await page.locator(".question > .text").innerText(), Hostile);
  const reply = lastReply(page);
  assert.equal(await reply.locator("p").first().innerText(), `Look: ${Hostile}`);
  assert.equal(await reply.locator("pre").innerText(), Hostile);
  assert.equal(await reply.locator("li").first().innerText(), Hostile);
  assert.equal(await page.locator("#log img, #log script").count(), 0);
  assert.equal(await page.title(), "Fathom");
}));

test("all of it works by keyboard alone", () => onPage(["First.", "Second.", "Third."], {}, async (page) => {
  await page.waitForFunction(() => document.activeElement.id === "message");
  await page.keyboard.press("Shift+Tab");
  for (const next of ["open-settings", "new"]) {
    await page.keyboard.press("Shift+Tab");
    assert.equal(await focused(page), next);
  }
  await page.keyboard.press("Shift+Tab");
  assert.equal(await focused(page), "Skip to the message");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "thinking");
  await page.keyboard.press("Space");
  await page.keyboard.press("Escape");
  assert.equal(await focused(page), "open-settings");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.type("One");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("two");
  await page.keyboard.press("Enter");
  await done(page);
  assert.equal(await page.locator(".question > .text").innerText(), "One\ntwo");
  assert.equal(await lastReply(page).locator(".answer").innerText(), "First.");
  assert.equal(await page.locator(".thinking:visible").count(), 0);

  // The answer is taken back and asked for again; then the question is.
  await page.keyboard.press("Shift+Tab");
  assert.equal(await focused(page), "Retry");
  await page.keyboard.press("Enter");
  await page.getByText("Second.").waitFor();
  await done(page);
  assert.equal(await page.locator(".reply").count(), 1);
  assert.equal(await focused(page), "message");
  for (let i = 0; i < 3; i++) await page.keyboard.press("Shift+Tab");
  assert.equal(await focused(page), "Edit");
  await page.keyboard.press("Enter");
  assert.equal(await message(page).inputValue(), "One\ntwo");
  assert.equal(await page.locator("article").count(), 0);
  await page.keyboard.press("Enter");
  await page.getByText("Third.").waitFor();
  await done(page);
  await page.getByRole("button", { name: "New conversation" }).press("Enter");
  assert.equal(await page.locator("article").count(), 0);
  assert.equal(await focused(page), "message");
}));

test("settings reach the server", () => onPage(["One."], {}, async (page) => {
  await page.getByRole("button", { name: "Settings" }).click();
  assert.equal(await page.getByLabel("Temperature").isDisabled(), true);
  await page.getByLabel("Think before answering").uncheck();
  await page.getByLabel("Temperature").fill("0.5");
  await page.getByLabel("Tokens of an answer at most").fill("2");
  await page.getByLabel("System text").fill("Be kind.");
  await picture(page, "settings");
  await page.getByRole("button", { name: "Done" }).click();
  const [request] = await Promise.all([page.waitForRequest("**/v1/chat/completions"), ask(page, "Go.")]);
  const body = request.postDataJSON();
  assert.deepEqual([body.thinking.type, body.temperature, body.max_tokens, body.messages[0]], ["disabled", 0.5, 2, { role: "system", content: "Be kind." }]);
  assert.match(await lastReply(page).locator(".ending").innerText(), /cut off/);
  assert.match(await figures(page), / 2 written$/);
}));

test("a key is asked for where there are keys, and kept in this tab alone", () => onPage(["One."], { keys: [Key], expected: /status of 401/ }, async (page, server) => {
  const key = page.getByLabel("API key");
  await key.waitFor();
  assert.equal(await message(page).isDisabled(), true);
  await key.fill("a-wrong-key-of-letters");
  await key.press("Enter");
  await page.getByText("The API key is unknown").waitFor();
  await key.fill(Key);
  await key.press("Enter");
  await key.waitFor({ state: "hidden" });
  await ask(page, "Go.");
  assert.equal(await lastReply(page).getByText("One.").count() > 0, true);
  assert.deepEqual(await page.evaluate(() => [sessionStorage.getItem("fathom.key"), localStorage.length, document.cookie]), [Key, 0, ""]);
  const other = await page.context().newPage();
  await other.goto(server.origin);
  await other.getByLabel("API key").waitFor();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Forget the key" }).click();
  await key.waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.getItem("fathom.key")), null);
}));

test("files that are no text are refused in words, and others can be taken back", () => onPage([], {}, async (page) => {
  await page.waitForFunction(() => document.activeElement.id === "message");
  await page.setInputFiles("#pick", [
    { name: "photo.jpg", mimeType: "image/jpeg", buffer: Buffer.from([0xff, 0xd8, 0xff, 0xe0]) }, { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("A line.") }]);
  await page.getByText("photo.jpg is no text in UTF-8. Save it as text and add it again.").waitFor();
  assert.match(await page.locator("#files").innerText(), /^a\.txt\s+7 characters/);
  await page.getByRole("button", { name: "Remove a.txt" }).press("Enter");
  assert.equal(await page.locator("#files li").count(), 0);
  assert.equal(await focused(page), "message");
}));

test("an answer is copied as it was written", () => onPage(["Hm.</think>So **it** is."], { context: { permissions: ["clipboard-read", "clipboard-write"] } }, async (page) => {
  await ask(page, "Go.");
  await lastReply(page).getByRole("button", { name: "Copy" }).click();
  await lastReply(page).getByText("Copied").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "So **it** is.");
}));

test("numbers are told as people read them", () => onPage([], {}, async (page) => {
  const told = await page.evaluate(async () => {
    const { duration, ofForecast } = await import("/page/figures.js");
    const forecast = { prompt_tokens: 60_500, cached_tokens: 500, uncached_tokens: 60_000, seconds_to_first_token: 75, fits: true, refusal: null };
    return [
      ...[0.004, 0.3, 9.94, 12.4, 59.6, 200, 1500, 3599, 9000].map(duration), ofForecast(forecast), ofForecast({ ...forecast, cached_tokens: 0, seconds_to_first_token: null }),
      ofForecast({ ...forecast, uncached_tokens: 20, seconds_to_first_token: 0.1 }), ofForecast({ ...forecast, fits: false, refusal: "Too long." })];
  });
  assert.deepEqual(told, [
    "4 ms", "0.3 s", "9.9 s", "12 s", "1 min 0 s", "3 min 20 s", "25 min", "60 min", "2 h 30 min", "60,000 tokens to read, 500 of 60,500 cached, about 1 min 15 s",
    "60,000 tokens to read, no speed measured yet", "", "Too long."]);
}));

for (const scheme of ["light", "dark"]) {
  test(`pictures of a conversation, ${scheme} and narrow`, () => onPage(
    ["The text names the river, the sea and the men. I should answer in short and show how to count.</think>The old men built their ships **by the sea**, where the river ends.\n\n"
      + "1. The river went down.\n2. The men built ships.\n\nTo count the ships in a file:\n\n```\ngrep -c ship story.txt\n```",
    "It is the same text.</think>Yes. The text says so twice: once of the river, and once of the men who went down to it."],
    { context: { colorScheme: scheme, viewport: { width: 1100, height: 980 } } }, async (page) => {
      await page.setInputFiles("#pick", { name: "voyage.txt", mimeType: "text/plain", buffer: Buffer.from(Prose.repeat(400)) });
      await ask(page, "Where did the old men build their ships, and how do I count them?");
      await ask(page, "Are you sure?");
      await page.setInputFiles("#pick", { name: "return.txt", mimeType: "text/plain", buffer: Buffer.from(Prose.repeat(600)) });
      await message(page).fill("And in this one?");
      await page.locator("#forecast").filter({ hasText: "to read" }).waitFor();
      await picture(page, `chat-${scheme}`);
      await page.setViewportSize({ width: 390, height: 780 });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(overflow, 0);
      await picture(page, `narrow-${scheme}`);
    }));
}
