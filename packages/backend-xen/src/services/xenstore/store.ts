/** xenstore: the tree, transactions on copies of it, and watches that tell who wants to know. docs/misc/xenstore.txt. */
import { parentOf, StoreFailure, StoreTree, type StoreUser } from "./tree.js";

const MAX_TRANSACTIONS = 10;
const MAX_WATCHES = 128;
const OWNER = 0;

/** Somebody wants to know what happens at a path or below it. */
export interface Watch {
  readonly user: StoreUser;
  readonly path: string;
  /** Of the guest's own choice; watches differ by it. */
  readonly token: string;
  /** Something happened at `path`. */
  fire(path: string): void;
}

interface Transaction {
  readonly user: StoreUser;
  readonly tree: StoreTree;
  /** Generation of the store when it began. */
  readonly base: number;
  /** What it changed, in order; `below`: everything under the path too. */
  readonly changes: { path: string; removed: boolean }[];
}

/** The store of one machine. Paths are absolute and have no slash at the end. */
export class XenStore {
  readonly #tree = new StoreTree();
  #generation = 0;
  #nextTransaction = 1;
  readonly #transactions = new Map<number, Transaction>();
  #watches: Watch[] = [];

  /** The tree as `user` sees it in a transaction; 0 is none. @throws StoreFailure */
  tree(transaction: number, user: StoreUser): StoreTree {
    return transaction === 0 ? this.#tree : this.#find(transaction, user).tree;
  }

  /** @throws StoreFailure, as all of these */
  write(path: string, value: Uint8Array, user: StoreUser = OWNER, transaction = 0): void {
    this.tree(transaction, user).write(path, value, user);
    this.#changed(path, false, user, transaction);
  }

  /** A value as text, for services. */
  writeText(path: string, value: string): void {
    this.write(path, new TextEncoder().encode(value));
  }

  makeDirectory(path: string, user: StoreUser = OWNER, transaction = 0): void {
    this.tree(transaction, user).makeDirectory(path, user);
    this.#changed(path, false, user, transaction);
  }

  remove(path: string, user: StoreUser = OWNER, transaction = 0): void {
    if (this.tree(transaction, user).remove(path, user)) this.#changed(path, true, user, transaction);
  }

  setPermissions(path: string, permissions: readonly string[], user: StoreUser = OWNER, transaction = 0): void {
    this.tree(transaction, user).setPermissions(path, permissions, user);
    this.#changed(path, false, user, transaction);
  }

  /** Begins a transaction; the result is its number. */
  begin(user: StoreUser): number {
    if ([...this.#transactions.values()].filter((other) => other.user === user).length >= MAX_TRANSACTIONS)
      throw new StoreFailure("ENOSPC");
    const number = this.#nextTransaction++;
    this.#transactions.set(number, { user, tree: new StoreTree(this.#tree), base: this.#generation, changes: [] });
    return number;
  }

  /** Ends it: all of its changes happen, or none; -EAGAIN when the store has changed meanwhile. */
  end(number: number, user: StoreUser, commit: boolean): void {
    const transaction = this.#find(number, user);
    this.#transactions.delete(number);
    if (!commit) return;
    if (transaction.base !== this.#generation) throw new StoreFailure("EAGAIN");
    if (transaction.changes.length === 0) return;
    this.#tree.replaceBy(transaction.tree);
    this.#generation++;
    for (const { path, removed } of transaction.changes) this.#fire(path, removed);
  }

  /** Sets a watch, which fires once at once. */
  watch(watch: Watch): void {
    const own = this.#watches.filter(({ user }) => user === watch.user);
    if (own.some(({ path, token }) => path === watch.path && token === watch.token)) throw new StoreFailure("EEXIST");
    if (watch.user !== OWNER && own.length >= MAX_WATCHES) throw new StoreFailure("E2BIG");
    this.#watches = [...this.#watches, watch];
    watch.fire(watch.path);
  }

  unwatch(user: StoreUser, path: string, token: string): void {
    const before = this.#watches.length;
    this.#watches = this.#watches.filter((watch) => watch.user !== user || watch.path !== path || watch.token !== token);
    if (this.#watches.length === before) throw new StoreFailure("ENOENT");
  }

  /** All watches and transactions of a user are gone. */
  forget(user: StoreUser): void {
    this.#watches = this.#watches.filter((watch) => watch.user !== user);
    for (const [number, transaction] of this.#transactions) if (transaction.user === user) this.#transactions.delete(number);
  }

  #find(number: number, user: StoreUser): Transaction {
    const transaction = this.#transactions.get(number);
    if (transaction === undefined || transaction.user !== user) throw new StoreFailure("ENOENT");
    return transaction;
  }

  #changed(path: string, removed: boolean, user: StoreUser, transaction: number): void {
    if (transaction !== 0) {
      this.#find(transaction, user).changes.push({ path, removed });
      return;
    }
    this.#generation++;
    this.#fire(path, removed);
  }

  #fire(path: string, removed: boolean): void {
    for (const watch of this.#watches) {
      if (!isAtOrBelow(path, watch.path)) {
        // What was watched went away with something above it.
        if (removed && isAtOrBelow(watch.path, path)) watch.fire(watch.path);
        continue;
      }
      const readable = this.#tree.isReadable(path, watch.user) || (removed && this.#tree.isReadable(parentOf(path), watch.user));
      if (readable) watch.fire(path);
    }
  }
}

function isAtOrBelow(path: string, above: string): boolean {
  return path === above || above === "/" || path.startsWith(`${above}/`);
}
