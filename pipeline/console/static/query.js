// The editor of SQL: Ctrl and Enter run it, an error selects its word, and files are made of what is in the editor.
"use strict";
const sql = document.getElementById("sql");

sql.addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    document.getElementById("run").click();
  }
});
document.getElementById("download").addEventListener("submit", () => { document.getElementById("copy").value = sql.value; });
document.addEventListener("htmx:afterSettle", () => {
  const wrong = document.getElementById("wrong");
  sql.setAttribute("aria-invalid", String(wrong !== null));
  sql.setAttribute("aria-describedby", wrong === null ? "keys" : "problem");
  if (wrong?.dataset.start) {
    sql.focus();
    sql.setSelectionRange(Number(wrong.dataset.start), Number(wrong.dataset.end));
  }
});
