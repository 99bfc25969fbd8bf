// What a text area with `data-words` does more: it completes the word before the caret from the words of the script of
// that id, and what is wrong is underlined. A list of words stands below it: arrows choose, Tab takes (Enter too, after an
// arrow), Escape closes. A large editor would weigh more than the rest of the console together.
"use strict";
const MOST_WORDS = 8;
const TYPED = /[\w."]+$/;
const plain = text => text.toLowerCase().replaceAll('"', "").trim();

function item(word, place, id) {
  const made = document.createElement("li"), about = document.createElement("small");
  about.textContent = word.about;
  made.append(word.text.trim(), " ", about);
  made.role = "option";
  made.id = `${id}-${place}`;
  made.dataset.place = place;
  return made;
}

class Completion {
  constructor(editor, words) {
    this.editor = editor;
    this.words = words.map(word => ({...word, starts: [plain(word.text), ...plain(word.text).split(".")]}));
    this.list = document.createElement("ul");
    Object.assign(this.list, {id: `${editor.id}-words`, role: "listbox", className: "words", ariaLabel: "Words", hidden: true});
    editor.after(this.list);
    editor.setAttribute("aria-autocomplete", "list");
    editor.setAttribute("aria-controls", this.list.id);
    editor.addEventListener("input", () => this.look());
    editor.addEventListener("keydown", event => this.press(event));
    editor.addEventListener("blur", () => this.close());
    this.list.addEventListener("pointerdown", event => {
      event.preventDefault();  // the editor keeps the focus
      const chosen = event.target.closest("li");
      if (chosen) this.take(Number(chosen.dataset.place));
    });
  }

  look() {
    const before = this.editor.value.slice(0, this.editor.selectionStart);
    const whole = before.match(TYPED)?.[0] ?? "";
    for (const typed of new Set([whole, whole.split(".").at(-1)])) {
      const wanted = plain(typed);
      const fits = word => plain(word.text) !== wanted && word.starts.some(start => start.startsWith(wanted));
      this.found = wanted ? this.words.filter(fits).slice(0, MOST_WORDS) : [];
      this.start = before.length - typed.length;
      if (this.found.length) return this.open();
    }
    this.close();
  }

  open() {
    this.list.replaceChildren(...this.found.map((word, place) => item(word, place, this.list.id)));
    this.list.hidden = false;
    this.hasMoved = false;
    this.choose(0);
  }

  close() {
    this.list.hidden = true;
    this.editor.removeAttribute("aria-activedescendant");
  }

  choose(place) {
    this.place = (place + this.found.length) % this.found.length;
    for (const one of this.list.children) one.ariaSelected = String(Number(one.dataset.place) === this.place);
    this.editor.setAttribute("aria-activedescendant", this.list.children[this.place].id);
  }

  press(event) {
    if (this.list.hidden || event.ctrlKey || event.metaKey) return;
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (step) {
      this.choose(this.place + step);
      this.hasMoved = true;
    } else if (event.key === "Tab" || (event.key === "Enter" && this.hasMoved)) {
      this.take(this.place);
    } else if (event.key === "Escape") {
      this.close();
    } else return;
    event.preventDefault();
  }

  take(place) {
    this.editor.setSelectionRange(this.start, this.editor.selectionStart);
    document.execCommand("insertText", false, this.found[place].text);  // so that it can be undone
    this.close();
  }
}

// A copy of the text behind the editor, which is transparent: only its underlines are seen.
class Underlines {
  constructor(editor) {
    this.editor = editor;
    this.copy = document.createElement("pre");
    this.copy.className = "behind";
    this.copy.ariaHidden = "true";
    editor.before(this.copy);
    editor.addEventListener("input", () => this.show([]));
    editor.addEventListener("scroll", () => { this.copy.scrollTop = editor.scrollTop; });
  }

  show(places) {  // [start, end] of each, in order
    const text = this.editor.value, parts = [];
    let upto = 0;
    for (const [start, end] of places) {
      const mark = document.createElement("mark");
      mark.className = "marked";
      mark.textContent = text.slice(start, end) || " ";
      parts.push(text.slice(upto, start), mark);
      upto = end;
    }
    this.copy.replaceChildren(...parts, text.slice(upto), "\n");
    this.copy.scrollTop = this.editor.scrollTop;
  }
}

const underlines = new Map();
for (const editor of document.querySelectorAll("textarea[data-words]")) {
  new Completion(editor, JSON.parse(document.getElementById(editor.dataset.words).textContent));
  underlines.set(editor, new Underlines(editor));
}
