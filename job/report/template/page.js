"use strict";
// Draws the charts in the colours of the light or the dark page, and lets one player play at a time.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures");
  const swaps = read("swaps");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const print = matchMedia("print");
  const touch = matchMedia("(pointer: coarse)");
  const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

  // Figures come in the light colours.
  const paint = (value, swap) => {
    if (typeof value === "string") return swap && Object.hasOwn(swaps, value) ? swaps[value] : value;
    if (Array.isArray(value)) return value.map((item) => paint(item, swap));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, paint(item, swap)]));
  };

  const draw = (id) => {
    const { data, layout } = paint(figures[id], dark.matches && !print.matches);
    // A finger on a chart scrolls the page.
    const manner = touch.matches ? { dragmode: false } : {};
    Plotly.react(id, data, { ...layout, ...manner }, { ...config, displayModeBar: touch.matches ? false : "hover" });
  };
  const drawAll = () => Object.keys(figures).forEach(draw);
  dark.addEventListener("change", drawAll);
  print.addEventListener("change", drawAll);

  // One after another, so that the page can be read meanwhile.
  const waiting = Object.keys(figures);
  const next = () => {
    const id = waiting.shift();
    if (id === undefined) {
      document.documentElement.dataset.drawn = "all";
      return;
    }
    draw(id);
    setTimeout(next);
  };
  next();

  const players = [...document.querySelectorAll("audio")];
  const card = (player) => player.closest(".clip");
  const clips = (player) => player.closest(".clips");
  const place = (player) => {
    const share = player.duration > 0 ? player.currentTime / player.duration : 0;
    card(player).querySelector(".playhead").style.left = `${100 * share}%`;
    if (!player.paused) requestAnimationFrame(() => place(player));
  };
  for (const player of players) {
    player.addEventListener("play", () => {
      for (const other of players.filter((other) => other !== player && !other.paused)) {
        // Of the same clip: go on at the same spot, so that two decodings can be compared within a word.
        if (clips(other) === clips(player) && other.currentTime < player.duration) player.currentTime = other.currentTime;
        other.pause();
      }
      card(player).classList.add("playing");
      card(player).classList.remove("paused");
      place(player);
    });
    player.addEventListener("pause", () => {
      card(player).classList.remove("playing");
      card(player).classList.toggle("paused", player.currentTime > 0 && !player.ended);
    });
    player.addEventListener("seeked", () => place(player));
    card(player).querySelector(".picture").addEventListener("click", (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      if (!(player.duration > 0)) return;
      for (const other of players) if (other !== player) other.pause();
      player.currentTime = ((event.clientX - box.left) / box.width) * player.duration;
      player.play();
    });
  }
})();
