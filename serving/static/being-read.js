// Asks whether the case has been read, and opens it then. Without this the page's link does the same.
"use strict";

(() => {
  const place = document.getElementById("being-read");
  const longest = 15;
  let seconds = 1;

  async function ask() {
    try {
      const answer = await fetch(place.dataset.source);
      if (answer.ok && !(await answer.json()).being_read) {
        place.textContent = "It has been read and is opened now.";
        window.location.replace(place.dataset.case);
        return;
      }
    } catch {
      // The service does not answer; it is asked again.
    }
    seconds = Math.min(seconds * 1.5, longest);
    setTimeout(ask, seconds * 1000);
  }

  place.textContent = "This page opens the case as soon as it has been read.";
  setTimeout(ask, seconds * 1000);
})();
