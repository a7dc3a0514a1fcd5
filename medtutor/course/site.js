/* Colours that are remembered, and contents that say where the reader is. The page reads well without it. */
"use strict";
{
  const KEY = "medtutor-colours";
  const choose = (colours) => {
    if (colours === "system") delete document.documentElement.dataset.colours;
    else document.documentElement.dataset.colours = colours;
  };
  let chosen = "system";
  try {
    chosen = localStorage.getItem(KEY) || chosen;
  } catch { /* a browser that keeps nothing for files */ }
  choose(chosen);

  document.addEventListener("DOMContentLoaded", () => {
    const select = document.getElementById("page_colours");
    select.value = chosen;
    select.addEventListener("change", () => {
      choose(select.value);
      try {
        localStorage.setItem(KEY, select.value);
      } catch { /* as above */ }
    });
    const contents = document.querySelector(".contents details");
    if (contents) {
      if (matchMedia("(max-width: 64rem)").matches) contents.open = false;
      follow([...contents.querySelectorAll("a")]);
    }
  });

  /* Marks the last heading above the middle of the screen. */
  function follow(links) {
    const places = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
    let waiting = false;
    const mark = () => {
      waiting = false;
      const at = places.findLastIndex((place) => place.getBoundingClientRect().top < innerHeight / 2);
      links.forEach((link, index) => {
        if (index === at) link.setAttribute("aria-current", "location");
        else link.removeAttribute("aria-current");
      });
    };
    addEventListener("scroll", () => {
      if (!waiting) requestAnimationFrame(mark);
      waiting = true;
    }, { passive: true });
    mark();
  }
}
