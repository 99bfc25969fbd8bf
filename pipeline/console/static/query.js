// The editor of SQL: Ctrl and Enter run it, an error is underlined and selected, files are made of what is in the editor.
"use strict";
const sql = document.getElementById("sql");

sql.addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    document.getElementById("run").click();
  }
});
document.getElementById("download").addEventListener("submit", () => { document.getElementById("copy").value = sql.value; });
document.addEventListener("htmx:afterSettle", event => {
  if (event.target.id !== "result") return;
  const wrong = document.getElementById("wrong");
  sql.setAttribute("aria-invalid", String(wrong !== null));
  sql.setAttribute("aria-describedby", wrong === null ? "keys" : "problem");
  if (wrong === null) earlier.add(sql.value);
  const place = wrong?.dataset.start ? [Number(wrong.dataset.start), Number(wrong.dataset.end)] : null;
  underlines.get(sql).show(place ? [place] : []);
  if (place) {
    sql.focus();
    sql.setSelectionRange(...place);
  }
});

// Statements that this browser keeps, for each account: those that were saved by a name, and those that ran.
const MOST_EARLIER = 50;

class Statements {
  constructor(list, identity, most) {  // identity: which of name and SQL no two have the same
    this.key = `streamgauge.${list.id}.${list.dataset.account}`;
    Object.assign(this, {list, identity, most});
    this.show();
  }

  all() {  // [name, SQL] of each, newest first
    try { return JSON.parse(localStorage.getItem(this.key)) ?? []; } catch { return []; }
  }

  keep(all) {
    try { localStorage.setItem(this.key, JSON.stringify(all.slice(0, this.most))); } catch { /* it keeps nothing, or is full */ }
    this.show();
  }

  add(text, name = text.trim().replaceAll(/\s+/g, " ").slice(0, 100)) {
    const added = [name, text];
    if (text.trim()) this.keep([added, ...this.all().filter(one => one[this.identity] !== added[this.identity])]);
  }

  show() {
    this.list.replaceChildren(...this.all().map(([name, text]) => this.item(name, text)));
  }

  item(name, text) {
    const made = document.createElement("li");
    made.append(
      button(name, "link", () => { sql.value = text; sql.dispatchEvent(new Event("change")); sql.focus(); }),
      " ", button("Forget", "quiet", () => this.keep(this.all().filter(one => one[this.identity] !== [name, text][this.identity])), `Forget ${name}`),
    );
    return made;
  }
}

function button(label, kind, act, description = label) {
  const made = document.createElement("button");
  Object.assign(made, {type: "button", className: kind, textContent: label, ariaLabel: description});
  made.addEventListener("click", act);
  return made;
}

const earlier = new Statements(document.getElementById("earlier"), 1, MOST_EARLIER);
const saved = new Statements(document.getElementById("saved"), 0, Infinity);
document.getElementById("save").addEventListener("submit", event => {
  event.preventDefault();
  const name = document.getElementById("save-name");
  saved.add(sql.value, name.value.trim());
  name.value = "";
});
document.getElementById("link").addEventListener("click", event => { event.currentTarget.href = `/query?sql=${encodeURIComponent(sql.value)}`; });
