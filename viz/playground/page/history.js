// Undo and redo: whole states, of which typing makes one at each rest.

class History {
  constructor(state) {
    this.states = [state];
    this.place = 0;
  }

  get now() {
    return this.states[this.place];
  }

  add(state) {
    if (JSON.stringify(state) === JSON.stringify(this.now)) return;
    this.states = [...this.states.slice(Math.max(0, this.place - 199), this.place + 1), state];
    this.place = this.states.length - 1;
  }

  /** The same text, now let run: no step of its own to undo. */
  replace(state) {
    if (state.text === this.now.text && state.kind === this.now.kind) this.states[this.place] = state;
    else this.add(state);
  }

  move(by) {
    this.place = Math.max(0, Math.min(this.states.length - 1, this.place + by));
    return this.now;
  }

  canMove(by) {
    return Boolean(this.states[this.place + by]);
  }
}
