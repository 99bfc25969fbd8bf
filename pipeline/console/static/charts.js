// Draws the charts of a page with uPlot. Each <figure class="chart"> holds its data as JSON, as pipeline/console/chart.py
// makes it: times in seconds, lines, a band between two of them, bounds, and spans of time that are marked.
"use strict";

const charts = new Map();


// What custom properties say may be light-dark(): only an element's own colour is resolved.
function resolved(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function marks(data, colours) {
  return {hooks: {drawClear: [chart => {
    const {ctx, bbox} = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.globalAlpha = 0.14;
    for (const mark of data.marks) {
      ctx.fillStyle = colours[mark.kind] ?? colours.alert;
      const left = chart.valToPos(mark.from, "x", true);
      const right = chart.valToPos(mark.to ?? chart.scales.x.max, "x", true);
      ctx.fillRect(left, bbox.top, Math.max(2, right - left), bbox.height);
    }
    ctx.globalAlpha = 1;
    ctx.strokeStyle = colours.alert;
    ctx.setLineDash([6, 4]);
    for (const bound of Object.values(data.bounds)) {
      const y = chart.valToPos(bound, "y", true);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }]}};
}

function draw(figure, closer = closerLook(figure)) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const colours = {line: resolved("--accent"), ink: resolved("--faint"), rule: resolved("--rule"),
                   alert: resolved("--bad"), silence: resolved("--faint"), band: resolved("--band")};
  const colourOf = place => place === 0 ? colours.line : `hsl(${(160 + 47 * place) % 360} 60% 52%)`;
  const axis = {stroke: colours.ink, grid: {stroke: colours.rule, width: 1}, ticks: {stroke: colours.rule}};
  const series = data.lines.map((line, place) => ({
    label: line.label, stroke: line.faint ? colours.band : colourOf(place),
    width: line.faint ? 0 : 1.6, points: {show: data.times.length < 3}, spanGaps: false,
  }));
  const bounds = Object.values(data.bounds);
  const range = (_, low, high) => {
    const least = Math.min(low ?? 0, ...bounds), most = Math.max(high ?? 1, ...bounds);
    const room = (most - least || Math.abs(most) || 1) * 0.06;
    return [least - room, most + room];
  };
  const options = {
    width: figure.clientWidth, height: 240, cursor: {sync: {key: "all"}}, plugins: [marks(data, colours)],
    scales: {x: {time: true, range: (_, low, high) => shownSpan(data, low, high)}, y: {range}},
    series: [{}, ...series], axes: [axis, {...axis, label: data.unit || undefined, size: 62}],
    bands: data.band ? [{series: [data.band[1] + 1, data.band[0] + 1], fill: colours.band}] : [],
  };
  charts.get(figure)?.destroy();
  charts.set(figure, new uPlot(options, [data.times, ...data.lines.map(line => line.values)], figure));
  if (closer) charts.get(figure).setScale("x", closer);
  figure.dataset.points = data.times.length;
}

// The whole span that was asked for, until the visitor drags over a part of it; a double click shows the whole again.
function shownSpan(data, low, high) {
  const isAlone = data.times.length === 1;  // uPlot then asks for the years that follow
  const isWhole = low === data.times[0] && (isAlone || high === data.times.at(-1));
  return isWhole || low === null ? wholeSpan(data) : [low, high];
}

function wholeSpan(data) {
  const [first, last] = data.range ?? [data.times[0], data.times.at(-1)];
  return first === last ? [first - 60, last + 60] : [first, last];
}

// The part that the visitor looks at, as a scale of uPlot; null: the whole.
function closerLook(figure) {
  if (!charts.has(figure)) return null;
  const {min, max} = charts.get(figure).scales.x;
  const [first, last] = wholeSpan(JSON.parse(figure.querySelector("script").textContent));
  return min > first || max < last ? {min, max} : null;
}

// What is open and looked at closely stays so when the charts come anew, by the name of their section.
const kept = new Map();
function keep(within) {
  for (const section of within.querySelectorAll("section:has(figure.chart)")) {
    const figure = section.querySelector("figure.chart");
    kept.set(section.ariaLabel, {closer: closerLook(figure), isOpen: section.querySelector("details")?.open});
  }
}

function drawAll(within) {
  for (const figure of charts.keys()) if (!figure.isConnected) { charts.get(figure).destroy(); charts.delete(figure); }
  for (const figure of within.querySelectorAll("figure.chart")) {
    const section = figure.closest("section"), before = kept.get(section?.ariaLabel);
    if (before?.isOpen) section.querySelector("details").open = true;
    draw(figure, before?.closer ?? closerLook(figure));
  }
  kept.clear();
}

drawAll(document);
document.addEventListener("htmx:beforeSwap", event => keep(event.target));
document.addEventListener("htmx:afterSettle", event => drawAll(event.target));
addEventListener("themechange", () => drawAll(document));
let resizing;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => drawAll(document), 150); });
