/**
 * The tree of xenstore: nodes with a value, children and permissions. Values are never changed in place, so a transaction is a copy of the
 * map. Sizes are those of a stock xenstored: what a guest may store is bounded.
 */
import type { StoreError } from "../../abi/io.js";

/** Nodes that one guest may own, and bytes of a value. */
const MAX_NODES = 1000;
const MAX_VALUE = 2048;
const OWNER = 0;

/** One node. Permissions as they travel: "n0", "r1"; the first is the owner, and what all others may do. */
export interface StoreNode {
  readonly value: Uint8Array;
  readonly children: ReadonlySet<string>;
  readonly permissions: readonly string[];
}

/** Thrown inside the store, and told to the guest by name. */
export class StoreFailure extends Error {
  constructor(readonly reason: StoreError) {
    super(reason);
  }
}

/** Who acts: a domain by number; 0 may do everything. */
export type StoreUser = number;

const NOTHING = new Uint8Array(0);

/** Nodes by path. */
export class StoreTree {
  readonly #nodes: Map<string, StoreNode>;

  constructor(from?: StoreTree) {
    this.#nodes =
      from === undefined ? new Map([["/", { value: NOTHING, children: new Set<string>(), permissions: ["n0"] }]]) : new Map(from.#nodes);
  }

  /** A node that may be read. @throws StoreFailure */
  read(path: string, user: StoreUser): StoreNode {
    const node = this.#nodes.get(path);
    if (node === undefined) throw new StoreFailure(this.#mayAbove(path, user, "r") ? "ENOENT" : "EACCES");
    if (!allows(node, user, "r")) throw new StoreFailure("EACCES");
    return node;
  }

  /** True when the node is there and may be read. */
  isReadable(path: string, user: StoreUser): boolean {
    const node = this.#nodes.get(path);
    return node !== undefined && allows(node, user, "r");
  }

  /** Sets a value, making what is missing above it. @throws StoreFailure */
  write(path: string, value: Uint8Array, user: StoreUser): void {
    if (value.byteLength > MAX_VALUE) throw new StoreFailure("ENOSPC");
    const node = this.#nodes.get(path) ?? this.#create(path, user);
    if (!allows(node, user, "w")) throw new StoreFailure("EACCES");
    this.#nodes.set(path, { ...node, value });
  }

  /** Makes a node with an empty value, if there is none. @throws StoreFailure */
  makeDirectory(path: string, user: StoreUser): void {
    const node = this.#nodes.get(path) ?? this.#create(path, user);
    if (!allows(node, user, "w")) throw new StoreFailure("EACCES");
  }

  /** Removes a node and all below it; false when there was none, though there is one above. @throws StoreFailure */
  remove(path: string, user: StoreUser): boolean {
    if (path === "/") throw new StoreFailure("EINVAL");
    const node = this.#nodes.get(path);
    if (node === undefined) {
      if (!this.#nodes.has(parentOf(path))) throw new StoreFailure("ENOENT");
      if (!this.#mayAbove(path, user, "w")) throw new StoreFailure("EACCES");
      return false;
    }
    if (!allows(node, user, "w")) throw new StoreFailure("EACCES");
    this.#removeAll(path, node);
    const parent = parentOf(path);
    const above = this.#nodes.get(parent)!;
    const children = new Set(above.children);
    children.delete(path.slice(path.lastIndexOf("/") + 1));
    this.#nodes.set(parent, { ...above, children });
    return true;
  }

  /** @throws StoreFailure */
  setPermissions(path: string, permissions: readonly string[], user: StoreUser): void {
    const node = this.#nodes.get(path);
    if (node === undefined) throw new StoreFailure("ENOENT");
    if (user !== OWNER && ownerOf(node) !== user) throw new StoreFailure("EACCES");
    if (user !== OWNER && Number(permissions[0]!.slice(1)) !== user) throw new StoreFailure("EPERM");
    this.#nodes.set(path, { ...node, permissions });
  }

  /** Takes over what a transaction made of it. */
  replaceBy(other: StoreTree): void {
    this.#nodes.clear();
    for (const [path, node] of other.#nodes) this.#nodes.set(path, node);
  }

  #removeAll(path: string, node: StoreNode): void {
    for (const child of node.children) {
      const below = path === "/" ? `/${child}` : `${path}/${child}`;
      this.#removeAll(below, this.#nodes.get(below)!);
    }
    this.#nodes.delete(path);
  }

  /** A new node has its parent's permissions, and belongs to who made it. */
  #create(path: string, user: StoreUser): StoreNode {
    const parent = parentOf(path);
    const above = this.#nodes.get(parent) ?? this.#create(parent, user);
    if (!allows(above, user, "w")) throw new StoreFailure("EACCES");
    if (user !== OWNER && [...this.#nodes.values()].filter((node) => ownerOf(node) === user).length >= MAX_NODES)
      throw new StoreFailure("ENOSPC");
    const [first = "n0", ...others] = above.permissions;
    const node: StoreNode = {
      value: NOTHING,
      children: new Set(),
      permissions: user === OWNER ? above.permissions : [`${first[0]}${user}`, ...others],
    };
    this.#nodes.set(path, node);
    this.#nodes.set(parent, { ...above, children: new Set([...above.children, path.slice(path.lastIndexOf("/") + 1)]) });
    return node;
  }

  /** The nearest node above that is there. */
  #mayAbove(path: string, user: StoreUser, right: "r" | "w"): boolean {
    for (let at = parentOf(path); ; at = parentOf(at)) {
      const node = this.#nodes.get(at);
      if (node !== undefined) return allows(node, user, right);
    }
  }
}

function ownerOf(node: StoreNode): number {
  return Number(node.permissions[0]!.slice(1));
}

function allows(node: StoreNode, user: StoreUser, right: "r" | "w"): boolean {
  if (user === OWNER || ownerOf(node) === user) return true;
  const own = node.permissions.slice(1).find((permission) => Number(permission.slice(1)) === user) ?? node.permissions[0]!;
  return own.startsWith(right) || own.startsWith("b");
}

/** The path above. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
