// What a card stands for, beside it, while the pointer or the focus is on it.

/** Shows it for the card with this key; hides it, if there is none. */
function showHint(explorer, key) {
  const tip = byId("tip");
  explorer.hinted = key;
  const card = key && explorer.picture.cards.get(key);
  tip.hidden = !card;
  if (!card) return;
  tip.replaceChildren(...explorer.about(card));
  const box = card.group.getBoundingClientRect();
  const around = tip.parentElement.getBoundingClientRect();
  const below = box.bottom + tip.offsetHeight + 12 < around.bottom;
  const left = Math.max(8, Math.min(box.left - around.left, around.width - tip.offsetWidth - 8));
  const top = below ? box.bottom - around.top + 8 : Math.max(8, box.top - around.top - tip.offsetHeight - 8);
  tip.style.left = `${left}px`;
  tip.style.top = `${top}px`;
}

/** After a step: what is shown beside a card is about that step. */
function refreshHint(explorer) {
  const card = explorer.hinted && explorer.picture.cards.get(explorer.hinted);
  if (card && !byId("tip").hidden) byId("tip").replaceChildren(...explorer.about(card));
}
