// Says on a live page that it is not live any more, when the console does not answer or the session has ended. The first
// thing that a console sends when it answers again takes this away.
"use strict";
document.addEventListener("htmx:sseError", event => {
  const again = document.createElement("a");
  again.href = location.href;
  again.textContent = "Load it again";
  const told = "This page is not live any more: the console does not answer, or you are signed out. ";
  event.target.querySelector(".trouble")?.replaceChildren(told, again);
});
