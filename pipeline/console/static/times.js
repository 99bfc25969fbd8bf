// Writes the times of the page in the time zone and the words of the browser; the server writes them in UTC.
"use strict";
const withDay = new Intl.DateTimeFormat(undefined, {dateStyle: "short", timeStyle: "medium"});
const withoutDay = new Intl.DateTimeFormat(undefined, {timeStyle: "medium"});

function writeTimes(within) {
  const today = new Date().toDateString();
  for (const element of within.querySelectorAll("time[datetime]")) {
    const time = new Date(element.dateTime);
    element.textContent = (time.toDateString() === today ? withoutDay : withDay).format(time);
    element.title = element.dateTime;
  }
}

document.addEventListener("htmx:afterSettle", event => writeTimes(event.target));
document.addEventListener("htmx:sseMessage", event => writeTimes(event.target));
writeTimes(document);
