// What is live on a page: figures, attempts as they end, progress, copying. Everything is written as text, never as HTML.
"use strict";

const THIN = "\u202f";
const MOST_ROWS = 500;

function count(value) {
  if (value === null || value === undefined) return "–";
  const whole = Number.isInteger(value) || value >= 100 ? Math.round(value).toString() : value.toFixed(1);
  return whole.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
}

function age(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  let rest = Math.max(Math.floor(seconds), 0);
  const parts = [];
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]]) {
    const units = Math.floor(rest / length);
    rest %= length;
    if (units) parts.push(units + unit);
  }
  return parts.slice(0, 2).join(" ") || "0s";
}

const SHOWN = {
  state: (f) => f.state,
  members: (f) => count(f.members),
  running: (f) => count(f.running),
  in_flight: (f) => `${count(f.running)} of ${count(f.slots)}`,
  rate: (f) => count(f.rate),
  lag: (f) => count(f.lag),
  backlog: (f) => count(f.backlog),
  seconds: (f) => (f.seconds ? `${count(f.backlog)} · ${age(f.seconds)}` : count(f.backlog)),
  needs: (f) => age(f.seconds),
  waiting: (f) => count(f.waiting),
  dead_letters: (f) => count(f.dead_letters),
  oldest: (f) => age(f.oldest),
  failing_share: (f) => (f.failing ? `${Math.round(f.failing * 100)}% fails` : ""),
  breakers: (f) => f.breakers.join(", "),
  failing: (f) => (f.failing === null ? "–" : `${Math.round(f.failing * 100)}%`),
};

function showProblem(text) {
  const problem = document.getElementById("problem");
  if (!problem) return;
  problem.textContent = text;
  problem.hidden = !text;
}

function showFigures(sample) {
  showProblem(sample.problem);
  for (const place of document.querySelectorAll("[data-processor]")) {
    const figures = sample.figures[place.dataset.processor];
    if (!figures) continue;
    for (const spot of place.querySelectorAll("[data-figure]")) {
      if (spot.dataset.figure === "saturation") {
        spot.setAttribute("width", Math.min(figures.saturation || 0, 1) * Number(spot.dataset.full));
      } else if (SHOWN[spot.dataset.figure]) {
        spot.textContent = SHOWN[spot.dataset.figure](figures);
        const alarm = spot.closest("[data-alarm]");
        if (alarm) alarm.dataset.alarm = String(Boolean(figures[spot.dataset.figure]));
      }
    }
  }
}

function watchFigures(place) {
  const source = new EventSource(place.dataset.live);
  source.addEventListener("figures", (event) => showFigures(JSON.parse(event.data)));
  source.onerror = () => showProblem("The console does not answer; what is shown may be old.");
  window.addEventListener("pagehide", () => source.close());
}

function cell(row, text, kind) {
  const found = document.createElement("td");
  found.textContent = text;
  if (kind) found.className = kind;
  row.append(found);
  return found;
}

function attemptRow(one) {
  const row = document.createElement("tr");
  const link = document.createElement("a");
  link.href = `/runs/${encodeURIComponent(one.run_id)}`;
  link.textContent = one.started;
  cell(row, "").append(link);
  cell(row, one.processor);
  cell(row, one.key === null ? "–" : one.key, "clip");
  cell(row, one.type, "clip");
  cell(row, one.attempt, "n");
  const outcome = document.createElement("span");
  outcome.className = `outcome ${one.outcome}`;
  outcome.textContent = one.outcome.replaceAll("_", " ");
  cell(row, "").append(outcome);
  cell(row, one.duration, "n");
  cell(row, one.reason, "clip wide").title = one.reason;
  return row;
}

function followRuns(button) {
  const body = document.querySelector("#attempts tbody");
  let source = null;
  let waiting = [];
  let drawing = false;

  function draw() {
    drawing = false;
    const rows = document.createDocumentFragment();
    for (const one of waiting.slice(-MOST_ROWS).reverse()) rows.append(attemptRow(one));
    waiting = [];
    body.prepend(rows);
    while (body.rows.length > MOST_ROWS) body.lastElementChild.remove();
  }

  button.addEventListener("click", () => {
    if (source) {
      source.close();
      source = null;
    } else {
      source = new EventSource(button.dataset.tail);
      source.addEventListener("attempts", (event) => {
        waiting.push(...JSON.parse(event.data).attempts);
        if (!drawing) requestAnimationFrame(draw);
        drawing = true;
      });
      source.addEventListener("problem", (event) => {
        const problem = JSON.parse(event.data);
        showProblem(problem.hint ? `${problem.message} (${problem.hint})` : problem.message);
        source.close();
        source = null;
        button.setAttribute("aria-pressed", "false");
        button.textContent = "Follow live";
      });
      window.addEventListener("pagehide", () => source && source.close());
    }
    button.setAttribute("aria-pressed", String(Boolean(source)));
    button.textContent = source ? "Stop following" : "Follow live";
  });
}

for (const place of document.querySelectorAll("[data-live]")) watchFigures(place);
for (const button of document.querySelectorAll("#tail")) followRuns(button);
for (const place of document.querySelectorAll("[data-refresh]")) {
  setTimeout(() => location.reload(), Number(place.dataset.refresh));
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
});
