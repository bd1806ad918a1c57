// The stages of a program, one after each pass, and who was made of whom.

class Stages {
  constructor(data) {
    this.list = data.stages;
    this.place = this.list.map((stage) => new Map(stage.boxes.map((box, k) => [box.key, k])));
    this.readers = this.list.map(({ boxes }) => {
      const found = boxes.map(() => []);
      boxes.forEach((box, k) => box.reads.forEach((read) => found[read].push(k)));
      return found;
    });
    this.becomes = this.list.map(() => new Map());
    this.list.forEach((stage, step) => {
      for (const box of stage.boxes) {
        for (const key of box.from) {
          const before = this.becomes[step - 1];
          if (!before.has(key)) before.set(key, []);
          before.get(key).push(box.key);
        }
      }
    });
    const colours = [
      ...new Set(
        this.list
          .at(-1)
          .boxes.filter((box) => box.kind !== "input")
          .map((box) => box.colour),
      ),
    ];
    this.colours = new Map(colours.map((colour, k) => [colour, `c${k % 16}`]));
  }

  box(step, key) {
    return this.list[step].boxes[this.place[step].get(key)];
  }

  /** The class that colours what ends in one statement alike, at every stage. */
  colourOf(box) {
    return this.colours.get(box.colour) ?? "none";
  }

  /** What a box of one stage is at another: what it was made of, or what becomes of it. */
  follow(from, key, to) {
    let keys = new Set([key]);
    for (let step = from; step > to; step--) {
      keys = new Set([...keys].flatMap((k) => this.box(step, k).from));
    }
    for (let step = from; step < to; step++) {
      keys = new Set([...keys].flatMap((k) => this.becomes[step].get(k) ?? []));
    }
    return keys;
  }

  /** All that some boxes are computed from, or that is computed from them. */
  reached(step, keys, next) {
    const { boxes } = this.list[step];
    const found = new Set();
    const stack = [...keys].map((key) => this.place[step].get(key));
    while (stack.length) {
      for (const k of next(stack.pop())) {
        if (!found.has(k)) {
          found.add(k);
          stack.push(k);
        }
      }
    }
    return new Set([...found].map((k) => boxes[k].key).filter((key) => !keys.has(key)));
  }

  ancestors(step, keys) {
    return this.reached(step, keys, (k) => this.list[step].boxes[k].reads);
  }

  descendants(step, keys) {
    return this.reached(step, keys, (k) => this.readers[step][k]);
  }
}
