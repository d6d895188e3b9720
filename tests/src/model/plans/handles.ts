/** Operations on open files, and on the file system as a whole. */
import { type Plan, show, tooLong } from "../action.js";
import { type Node, SLOTS } from "../model.js";

const open: Plan = (draw) => {
  const some = draw.some("file");
  const slot = draw.below(SLOTS);
  if (some === undefined || draw.model.handles[slot] !== undefined) return undefined;
  const append = draw.chance(0.2);
  return {
    text: `open ${show(some.path)}${append ? " to append" : ""} as handle ${slot}`,
    perform: (subject) => subject.open(slot, some.path, append),
    done: () => draw.model.open(slot, some.node, append),
    touches: [],
  };
};

const temporary: Plan = (draw) => {
  const slot = draw.below(SLOTS);
  if (draw.model.handles[slot] !== undefined) return undefined;
  const directory = draw.directory();
  return {
    text: `open a temporary file in ${show(draw.model.path(directory))} as handle ${slot}`,
    allocates: true,
    perform: (subject) => subject.temporary(slot, draw.model.path(directory), 0o640),
    done: () => {
      const node: Node = draw.model.create(directory, "file", 0o640, draw.now);
      node.nlink = 0;
      draw.model.temporaries.add(node);
      draw.model.open(slot, node, false);
    },
    touches: [],
  };
};

const linkHandle: Plan = (draw) => {
  const slot = draw.below(SLOTS);
  const handle = draw.model.handles[slot];
  if (handle === undefined) return undefined;
  const { directory, name, entry, path } = draw.entry();
  const { node } = handle;
  let fails: string | undefined;
  if (tooLong(name)) fails = "ENAMETOOLONG";
  else if (entry !== undefined) fails = "EEXIST";
  else if (node.nlink === 0 && !draw.model.temporaries.has(node)) fails = "ENOENT";
  return {
    text: `link handle ${slot} to ${show(path)}`,
    fails,
    allocates: true,
    perform: (subject) => subject.linkHandle(slot, path),
    done: () => {
      node.nlink++;
      draw.model.temporaries.delete(node);
      draw.model.link(directory, name, node, draw.now);
    },
    touches: [directory, node],
  };
};

const close: Plan = (draw) => {
  const slot = draw.below(SLOTS);
  if (draw.model.handles[slot] === undefined) return undefined;
  return {
    text: `close handle ${slot}`,
    perform: (subject) => subject.close(slot),
    done: () => draw.model.close(slot),
    touches: [],
  };
};

const sync: Plan = (draw) => {
  const file = draw.file();
  if (file === undefined) return undefined;
  const dataOnly = draw.chance(0.5);
  return {
    text: `${dataOnly ? "fdatasync" : "fsync"} ${file.text}`,
    perform: (subject) => subject.sync(file.target, dataOnly),
    touches: [],
  };
};

const syncDirectory: Plan = (draw) => {
  const path = draw.model.path(draw.directory());
  return { text: `fsync ${show(path)}`, perform: (subject) => subject.sync(path, false), touches: [] };
};

const syncAll: Plan = () => ({ text: "syncfs", perform: (subject) => subject.syncAll(), touches: [] });

export const handlePlans = { open, temporary, linkHandle, close, sync, syncDirectory, syncAll };
