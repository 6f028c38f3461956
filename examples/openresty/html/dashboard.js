// Shows what /api/ answers. Everything that came from there is put into the page as text, never as markup.
"use strict";

const HOUR = 3600, DAY = 86400; // seconds
const GOOD = ["READY", "ACTIVE"];
const BAD = ["DEGRADED"];
const WANING = ["PENDING_DELETION", "DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"];

const byId = (id) => document.getElementById(id);
const form = byId("filter");
const place = { before: [], token: "", next: "" }; // the tokens of the pages before this one, of this one, of the next
let asked = 0; // the number of the latest question about backups: an answer to an older one comes too late
const names = new Map(); // of clusters, by id

function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content.filter((part) => part !== "" && part != null)); // a string becomes a text node
  return made;
}

async function ask(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new Error(`${path}: HTTP ${response.status}, and no JSON`);
  }
  if (!response.ok) {
    const { code, kind, message, request_id: id } = answer.error ?? {};
    throw new Error(`${code ?? kind ?? response.status}: ${message ?? "no reason given"}${id ? ` (request ${id})` : ""}`);
  }
  return answer;
}

function complain(error) {
  byId("problem").textContent = error.message;
  byId("problem").hidden = false;
}

// Words for times and states

function ago(timestamp) {
  const age = Math.max(0, Date.now() / 1000 - timestamp);
  if (age < 90) return `${Math.round(age)} s`;
  if (age < 90 * 60) return `${Math.round(age / 60)} min`;
  if (age < 2 * DAY) return `${Math.round(age / HOUR)} h`;
  return `${Math.round(age / DAY)} days`;
}

const utc = (timestamp) => new Date(timestamp * 1000).toISOString().replace("T", " ").slice(0, 16) + " UTC";

const day = (date) =>
  new Date(`${date}T00:00:00Z`).toLocaleDateString("en", { day: "numeric", month: "short", timeZone: "UTC" });

const plural = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

function badge(state) {
  let look = "";
  if (GOOD.includes(state)) look = "good";
  else if (BAD.includes(state)) look = "bad";
  else if (WANING.includes(state)) look = "wane";
  else if (state.endsWith("_IN_PROGRESS")) look = "busy";
  return element("span", `badge ${look}`, state.toLowerCase().replaceAll("_", " "));
}

function time(timestamp) {
  const made = element("time", "", ago(timestamp));
  made.dateTime = new Date(timestamp * 1000).toISOString();
  made.title = utc(timestamp);
  return made;
}

// The overview and the time line

function showCounts(kind, counts) {
  const total = counts.reduce((sum, entry) => sum + entry.Count, 0);
  byId(`${kind}-total`).textContent = total;
  const lines = counts.map((entry) => element("li", "", badge(entry.State), String(entry.Count)));
  byId(`${kind}-states`).replaceChildren(...lines);
}

function dayCell(entry) {
  let look = "";
  if (entry.Ready > 1) look = "more";
  else if (entry.Ready === 1) look = "ready";
  else if (entry.Creating > 0) look = "creating";
  else if (entry.Deleting > 0) look = "deleting";
  const cell = element("i", `cell ${look}`);
  cell.title = `${day(entry.Date)}: ${entry.Ready} ready, ${entry.Creating} being made, ${entry.Deleting} pending deletion`;
  return cell;
}

function laneOf(lane) {
  const label = lane.Name || lane.ClusterId;
  const hsms = plural(lane.Hsms.reduce((sum, entry) => sum + entry.Count, 0), "HSM");
  const title = element("div", "title", element("strong", "", label), lane.State ? badge(lane.State) : "");
  const id = element("div", "facts", lane.Name ? lane.ClusterId : "");
  const facts = lane.State ? [lane.HsmType, hsms].filter(Boolean).join(" · ") : "known from its backups alone";
  const who = element("div", "who", title, id, element("div", "facts", facts));

  const days = element("div", "days", ...lane.Days.map(dayCell));
  days.setAttribute("role", "img");
  const covered = lane.Days.filter((entry) => entry.Ready > 0).length;
  days.setAttribute("aria-label", `${label}: a ready backup on ${covered} of ${lane.Days.length} days`);

  const newest = element("div", lane.Stale ? "newest stale" : "newest", element("small", "", "newest ready"));
  newest.append(lane.NewestReady ? time(lane.NewestReady) : "none");
  return element("li", "lane", who, days, newest);
}

function showWarning(summary) {
  const stale = summary.Lanes.filter((lane) => lane.Stale).map((lane) => lane.Name || lane.ClusterId);
  byId("warning").hidden = stale.length === 0;
  byId("warning").textContent = `No ready backup in the last ${summary.LimitHours} hours: ${stale.join(", ")}`;
}

function showClusters(lanes) {
  const select = form.elements.cluster;
  const chosen = select.value;
  const options = lanes.map((lane) => {
    names.set(lane.ClusterId, lane.Name);
    const option = element("option", "", lane.Name ? `${lane.Name} (${lane.ClusterId})` : lane.ClusterId);
    option.value = lane.ClusterId;
    return option;
  });
  select.replaceChildren(select.options[0], ...options);
  select.value = chosen;
  if (select.selectedIndex < 0) select.value = "";
}

async function loadSummary() {
  const summary = await ask("api/summary");
  byId("checked").textContent = `${summary.Region} · checked ${utc(summary.CheckedAt)}`;
  showCounts("backup", summary.Backups);
  showCounts("cluster", summary.Clusters);
  showCounts("hsm", summary.Hsms);
  showWarning(summary);
  showClusters(summary.Lanes);
  const lanes = summary.Lanes.map(laneOf);
  byId("timeline").replaceChildren(...(lanes.length ? lanes : [element("li", "empty", "No cluster and no backup yet.")]));
  const days = summary.Lanes[0]?.Days;
  byId("axis-first").textContent = days ? day(days[0].Date) : "";
  byId("axis-middle").textContent = days ? day(days[15].Date) : "";
}

// The list of backups

function rowOf(backup) {
  const tags = backup.TagList ?? [];
  const name = tags.find((tag) => tag.Key === "Name")?.Value;
  const what = element("td", "", name ? element("strong", "", name) : "", element("code", "", backup.BackupId));
  if (name) what.insertBefore(document.createElement("br"), what.lastChild);
  if (backup.SourceRegion) what.append(element("small", "", `copied from ${backup.SourceRegion}`));

  const state = element("td", "", badge(backup.BackupState ?? "UNKNOWN"));
  if (backup.NeverExpires) state.append(element("small", "", "never expires"));
  if (backup.DeleteTimestamp) state.append(element("small", "", `gone ${utc(backup.DeleteTimestamp).slice(0, 10)}`));

  const age = element("td", "");
  if (backup.CreateTimestamp) age.append(time(backup.CreateTimestamp), element("small", "", utc(backup.CreateTimestamp)));

  const id = backup.ClusterId ?? backup.SourceCluster ?? "";
  const cluster = element("td", "", names.get(id) ?? "", names.get(id) ? element("small", "", id) : element("code", "", id));
  const labels = tags.filter((tag) => tag.Key !== "Name").map((tag) => element("span", "tag", `${tag.Key}: ${tag.Value}`));
  return element("tr", "", what, state, age, cluster, element("td", "", ...labels));
}

async function loadBackups() {
  const mine = ++asked;
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) query.set(name, value);
  if (place.token) query.set("token", place.token);
  byId("rows").setAttribute("aria-busy", "true");
  try {
    const page = await ask(`api/backups?${query}`);
    if (mine !== asked) return;
    place.next = page.NextToken ?? "";
    const rows = page.Backups.map(rowOf);
    if (!rows.length) {
      const empty = element("td", "empty", "No backups match.");
      empty.colSpan = 5;
      rows.push(element("tr", "", empty));
    }
    byId("rows").replaceChildren(...rows);
    byId("page").textContent = `Page ${place.before.length + 1}, ${plural(page.Backups.length, "backup")}`;
    byId("previous").disabled = place.before.length === 0;
    byId("next").disabled = !place.next;
  } finally {
    if (mine === asked) byId("rows").removeAttribute("aria-busy");
  }
}

function restart() {
  place.before = [];
  place.token = place.next = "";
}

async function refresh() {
  byId("problem").hidden = true;
  byId("refresh").disabled = true;
  restart();
  await loadSummary().catch(complain); // first, for it knows the names of clusters
  await loadBackups().catch(complain);
  byId("refresh").disabled = false;
}

async function turn(move) {
  byId("problem").hidden = true;
  byId("next").disabled = byId("previous").disabled = true;
  move();
  await loadBackups().catch(complain);
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", () => turn(restart));
byId("next").addEventListener("click", () => turn(() => {
  place.before.push(place.token);
  place.token = place.next;
}));
byId("previous").addEventListener("click", () => turn(() => {
  place.token = place.before.pop() ?? "";
}));
byId("refresh").addEventListener("click", refresh);
refresh();
