// Says on a live page that it is not live any more, when the console does not answer or the session has ended. The first
// thing that a console sends when it answers again takes this away.
"use strict";
function tell(part) {
  const again = document.createElement("a");
  again.href = location.href;
  again.textContent = "Load it again";
  const told = "This page is not live any more: the console does not answer, or you are signed out. ";
  part.querySelector(".trouble")?.replaceChildren(told, again);
}

document.addEventListener("htmx:sseError", event => tell(event.target));
document.addEventListener("htmx:sseOpen", event => {
  const {source} = event.detail, part = event.target;
  source.addEventListener("ended", () => { source.close(); tell(part); });
});
