// Keys for what links and buttons on the page do anyway, and the counts of a run that goes on.
"use strict";
(() => {
  const rows = () => [...document.querySelectorAll("[data-row]")];
  let at = -1;
  const go = (list, n) => {
    if (!list.length) return;
    const every = rows();
    every.forEach((row) => row.classList.remove("here"));
    const row = list[Math.max(0, Math.min(list.length - 1, n))];
    at = every.indexOf(row);
    row.classList.add("here");
    row.scrollIntoView({ block: "nearest" });
    if (row.id) history.replaceState(null, "", "#" + row.id);
  };
  const follow = (rel) => {
    const link = document.querySelector(`a[rel="${rel}"]`);
    if (link) link.click();
  };
  const nextDifference = () => {
    const every = rows();
    const next = every.findIndex((row, n) => n > at && row.classList.contains("differs"));
    if (next >= 0) go(every, next);
  };
  const open = () => {
    const row = rows()[at];
    const details = row && row.querySelector("details");
    if (details) details.open = !details.open;
    else if (row && row.querySelector("a")) row.querySelector("a").click();
  };
  const help = () => {
    const box = document.getElementById("keys");
    if (box.open) box.close();
    else box.showModal();
  };
  const actions = {
    j: () => go(rows(), at + 1),
    k: () => go(rows(), at - 1),
    n: () => follow("next"),
    p: () => follow("prev"),
    d: nextDifference,
    Enter: open,
    "?": help,
    "/": () => document.querySelector(".find input").focus(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, button, summary, a") && event.key !== "?") return;
    if (event.target.closest("input, textarea")) return;
    const button = document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
    const act = button ? () => button.click() : actions[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  const start = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    at = target ? rows().indexOf(target) : -1;
    if (target) target.classList.add("here");
  };
  addEventListener("hashchange", () => {
    rows().forEach((row) => row.classList.remove("here"));
    start();
  });
  start();

  const box = document.querySelector("#counts[data-live]");
  const refresh = async () => {
    const answer = await fetch(`/run/${encodeURIComponent(box.dataset.run)}/counts.json`);
    if (!answer.ok) return;
    const { counts } = await answer.json();
    box.replaceChildren(
      ...Object.entries(counts).flatMap(([name, n]) => {
        const tally = document.createElement("span");
        const status = document.createElement("span");
        const number = document.createElement("b");
        tally.className = "tally";
        status.className = `status ${name.split(" ")[0]}`;
        status.textContent = name;
        number.textContent = n;
        tally.append(status, " ", number);
        return [tally, " "];
      }),
    );
    if (counts.open) setTimeout(refresh, 2000);
  };
  if (box) setTimeout(refresh, 2000);
})();
