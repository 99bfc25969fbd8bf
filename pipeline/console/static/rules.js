// The editor of rules: what is wrong in a line is underlined there, and a click on the problem leads to it.
"use strict";
const text = document.getElementById("text");

function placeOf(line) {  // [start, end] of a line, without the blanks before it
  const lines = text.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  const content = lines[line - 1] ?? "";
  return [start + content.length - content.trimStart().length, start + content.length];
}

document.addEventListener("htmx:afterSettle", event => {
  if (event.target.id !== "checked") return;
  const lines = [...document.querySelectorAll("#checked [data-line]")].map(one => Number(one.dataset.line));
  underlines.get(text).show([...new Set(lines)].sort((one, other) => one - other).map(placeOf));
  text.setAttribute("aria-invalid", String(document.querySelector("#checked .problem") !== null));
});
document.addEventListener("click", event => {
  const line = event.target.closest("[data-line]")?.dataset.line;
  if (!line) return;
  text.focus();
  text.setSelectionRange(...placeOf(Number(line)));
});
