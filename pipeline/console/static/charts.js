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

function draw(figure) {
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
    scales: {x: {time: true, ...(data.range ? {range: (_, low, high) => chartRange(figure, data, low, high)} : {})}, y: {range}},
    series: [{}, ...series], axes: [axis, {...axis, label: data.unit || undefined, size: 62}],
    bands: data.band ? [{series: [data.band[1] + 1, data.band[0] + 1], fill: colours.band}] : [],
  };
  charts.get(figure)?.destroy();
  charts.set(figure, new uPlot(options, [data.times, ...data.lines.map(line => line.values)], figure));
  figure.dataset.points = data.times.length;
}

// The whole span that was asked for, until the visitor drags over a part of it; a double click shows the whole again.
function chartRange(figure, data, low, high) {
  const isWhole = low === data.times[0] && high === data.times.at(-1);
  return isWhole || low === null ? data.range : [low, high];
}

function drawAll(within) {
  for (const figure of charts.keys()) if (!figure.isConnected) { charts.get(figure).destroy(); charts.delete(figure); }
  for (const figure of within.querySelectorAll("figure.chart")) draw(figure);
}

drawAll(document);
document.addEventListener("htmx:afterSettle", event => drawAll(event.target));
addEventListener("themechange", () => drawAll(document));
let resizing;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => drawAll(document), 150); });
