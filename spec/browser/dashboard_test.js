// The dashboard in headless Chromium, over the emulator behind URL. Started by spec/tools/browser.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");

const { URL: url, CHROMIUM: executablePath, PROFILE: profile, SCREENSHOTS: screenshots } = process.env;
const ARGUMENTS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const MARKUP = `<img src=x onerror="window.broken = true"><script>window.broken = true</script>`;
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

const tests = [];
const test = (name, run) => tests.push({ name, run });

// Opens the page; every word on its console and every request that leaves it is kept.
async function open(context, prepare) {
  const page = await context.newPage();
  page.heard = [];
  page.on("console", (message) => page.heard.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => page.heard.push(String(error)));
  page.on("request", (request) => request.url().startsWith(url) || page.heard.push(`left home: ${request.url()}`));
  if (prepare) await prepare(page);
  await page.goto(url);
  await page.waitForSelector("#rows tr");
  return page;
}

const rowIds = (page) => page.locator("#rows tr code:first-of-type").allTextContents()
  .then((texts) => texts.filter((text) => text.startsWith("backup-")));

// Does something that asks for backups, and waits until they are shown.
async function after(page, action) {
  await Promise.all([page.waitForResponse((response) => response.url().includes("/api/backups")), action()]);
  await page.waitForFunction(() => !document.querySelector("#rows").hasAttribute("aria-busy"));
}

const choice = (page, name) => page.getByRole("combobox", { name });

async function api(parameters) {
  const items = [];
  let token = "";
  do {
    const page = await (await fetch(`${url}api/backups?limit=50&${parameters}${token && `&token=${token}`}`)).json();
    items.push(...page.Backups);
    token = page.NextToken ?? "";
  } while (token);
  return items;
}

test("shows what the emulator has: totals, a lane a cluster, thirty days a lane", async (context) => {
  const page = await open(context);
  const backups = await api("");
  assert.equal(await page.textContent("#backup-total"), String(backups.length));
  assert.equal(await page.textContent("#cluster-total"), "4");
  assert.equal(await page.locator("#timeline .lane").count(), 5);
  assert.equal(await page.locator("#timeline .days").first().locator(".cell").count(), 30);
  assert.match(await page.textContent("#warning"), /36 hours: staging/);
  assert.deepEqual(await rowIds(page), backups.slice(0, 20).map((backup) => backup.BackupId));
  assert.deepEqual(page.heard, []);
});

test("pages through all backups exactly once, and back", async (context) => {
  const page = await open(context);
  const first = await rowIds(page);
  const seen = [...first];
  while (await page.isEnabled("#next")) {
    await after(page, () => page.click("#next"));
    seen.push(...await rowIds(page));
  }
  assert.deepEqual(seen, (await api("")).map((backup) => backup.BackupId));
  while (await page.isEnabled("#previous")) await after(page, () => page.click("#previous"));
  assert.deepEqual(await rowIds(page), first);
  assert.deepEqual(page.heard, []);
});

test("filters by state and cluster, and starts at the first page again", async (context) => {
  const page = await open(context);
  await after(page, () => page.click("#next"));
  await after(page, () => choice(page, "State").selectOption("PENDING_DELETION"));
  const states = await page.locator("#rows td:nth-child(2) .badge").allTextContents();
  assert.ok(states.length > 0 && states.every((state) => state === "pending deletion"));
  assert.match(await page.textContent("#page"), /^Page 1,/);
  await after(page, () => choice(page, "State").selectOption("READY"));
  const staging = await page.locator("select[name=cluster] option", { hasText: "staging" }).getAttribute("value");
  await after(page, () => choice(page, "Cluster").selectOption(staging));
  assert.deepEqual(await rowIds(page), (await api(`state=READY&cluster=${staging}`)).slice(0, 20).map((backup) => backup.BackupId));
  await after(page, () => choice(page, "State").selectOption("DELETED"));
  assert.match(await page.textContent("#rows"), /No backups match/);
  assert.deepEqual(page.heard, []);
});

test("shows markup in tags, names, states and errors as text", async (context) => {
  const stub = (answer, status = 200) => (route) => route.fulfill({ status, contentType: "application/json", body: JSON.stringify(answer) });
  const backup = {
    BackupId: `backup-${MARKUP}`, BackupState: MARKUP, ClusterId: MARKUP, CreateTimestamp: 1.5e9, SourceRegion: MARKUP,
    TagList: [{ Key: "Name", Value: MARKUP }, { Key: MARKUP, Value: MARKUP }],
  };
  const summary = await (await fetch(`${url}api/summary`)).json();
  Object.assign(summary.Lanes[0], { Name: MARKUP, State: MARKUP, HsmType: MARKUP, Stale: true });
  summary.Region = MARKUP;
  summary.Backups = [{ State: MARKUP, Count: 1 }];
  const page = await open(context, async (page) => {
    await page.route("**/api/summary", stub(summary));
    await page.route("**/api/backups*", stub({ Backups: [backup] }));
  });
  assert.equal(await page.textContent("#rows td:first-child strong"), MARKUP);
  assert.equal(await page.textContent("#rows .tag"), `${MARKUP}: ${MARKUP}`);
  assert.equal(await page.textContent("#timeline strong"), MARKUP);
  assert.equal(await page.locator("main img, main script").count(), 0);
  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.deepEqual(page.heard, []);
});

test("says what went wrong, and goes on when it is over", async (context) => {
  const page = await open(context);
  const message = `Rate exceeded ${MARKUP}`;
  await page.route("**/api/backups*", (route) =>
    route.fulfill({ status: 429, contentType: "application/json", body: JSON.stringify({ error: { kind: "throttled", code: "ThrottlingException", message } }) }));
  await page.click("#next");
  await page.waitForSelector("#problem:not([hidden])");
  assert.equal(await page.textContent("#problem"), `ThrottlingException: ${message}`);
  await page.unroute("**/api/backups*");
  await after(page, () => page.click("#refresh"));
  assert.ok(await page.isHidden("#problem"));
  assert.equal((await rowIds(page)).length, 20);
});

test("fits a phone without scrolling sideways", async (context) => {
  const page = await open(context);
  for (const width of [320, 360, 412, 768]) {
    await page.setViewportSize({ width, height: PHONE.height });
    const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(content <= window, `${content} px in ${width} px`);
    const outside = await page.evaluate(() => [...document.querySelectorAll("main *:not(.unseen)")].filter((element) =>
      element.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !element.closest("thead")).length);
    assert.equal(outside, 0, `elements beyond the edge at ${width} px`);
  }
});

test("can be used with the keyboard, and every control has a name", async (context) => {
  const page = await open(context);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the backups");
  for (const name of ["State", "Cluster", "Rows"]) assert.equal(await choice(page, name).count(), 1);
  await page.focus("#next");
  await after(page, () => page.keyboard.press("Enter"));
  assert.match(await page.textContent("#page"), /^Page 2,/);
});

async function takePictures(browser) {
  fs.mkdirSync(screenshots, { recursive: true });
  for (const [name, viewport, colorScheme] of [["desktop", DESKTOP, "light"], ["dark", DESKTOP, "dark"], ["phone", PHONE, "light"]]) {
    const context = await browser.newContext({ viewport, colorScheme });
    const page = await open(context);
    await page.screenshot({ path: path.join(screenshots, `dashboard-${name}.png`), fullPage: true });
    await context.close();
  }
}

async function main() {
  process.env.HOME = profile; // nothing of the user's own browser takes part
  fs.mkdirSync(profile, { recursive: true });
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS, chromiumSandbox: process.getuid() !== 0 });
  let failed = 0;
  for (const { name, run } of tests) {
    const context = await browser.newContext({ viewport: DESKTOP });
    context.setDefaultTimeout(15000);
    try {
      await run(context);
      console.log(`ok - ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED - ${name}\n${error.stack}`);
    }
    await context.close();
  }
  await takePictures(browser);
  await browser.close();
  console.log(`browser: ${tests.length - failed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
