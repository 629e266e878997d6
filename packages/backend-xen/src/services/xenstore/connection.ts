/** One guest's talk with xenstore: requests in, replies and watch events out. public/io/xs_wire.h. */
import { STORE_PATH_MAX, STORE_PAYLOAD_MAX, type StoreError, storeMessages } from "../../abi/io.js";
import type { XenStore } from "./store.js";
import { StoreFailure, type StoreUser } from "./tree.js";

/** A message without its length. */
export interface StoreMessage {
  readonly type: number;
  readonly request: number;
  readonly transaction: number;
  readonly payload: Uint8Array;
}

const OK = "OK\0";
const PATH = /^\/?[\w\-./@:+]+$/;
const PERMISSION = /^[nrwb]\d{1,5}$/;
const text = new TextDecoder("latin1");
const bytesOf = (value: string): Uint8Array => Uint8Array.from(value, (char) => char.charCodeAt(0));

/** Answers one guest. */
export class StoreConnection {
  constructor(
    private readonly store: XenStore,
    readonly user: StoreUser,
    /** Sends a watch event to the guest. */
    private readonly send: (message: StoreMessage) => void,
  ) {}

  /** The reply to a request: its result, or an error by name. */
  answer(message: StoreMessage): StoreMessage {
    try {
      return { ...message, payload: this.#result(message) };
    } catch (failure) {
      if (!(failure instanceof StoreFailure)) throw failure;
      return { ...message, type: storeMessages.ERROR, payload: bytesOf(`${failure.reason}\0`) };
    }
  }

  #result({ type, transaction, payload }: StoreMessage): Uint8Array {
    const { store, user } = this;
    const words = text.decode(payload).split("\0");
    /** The first word as a path. */
    const path = (): string => this.#path(words[0] ?? "");
    switch (type) {
      case storeMessages.READ:
        return store.tree(transaction, user).read(path(), user).value;
      case storeMessages.DIRECTORY:
        return fitting(bytesOf([...store.tree(transaction, user).read(path(), user).children].map((name) => `${name}\0`).join("")));
      case storeMessages.DIRECTORY_PART:
        return this.#directoryPart(transaction, path(), Number(words[1] ?? "0"));
      case storeMessages.GET_PERMS:
        return bytesOf(
          store
            .tree(transaction, user)
            .read(path(), user)
            .permissions.map((permission) => `${permission}\0`)
            .join(""),
        );
      case storeMessages.WRITE: {
        const end = payload.indexOf(0);
        if (end < 0) fail("EINVAL");
        store.write(path(), payload.slice(end + 1), user, transaction);
        return bytesOf(OK);
      }
      case storeMessages.MKDIR:
        store.makeDirectory(path(), user, transaction);
        return bytesOf(OK);
      case storeMessages.RM:
        store.remove(path(), user, transaction);
        return bytesOf(OK);
      case storeMessages.SET_PERMS: {
        const permissions = words.slice(1, -1);
        if (permissions.length === 0 || !permissions.every((permission) => PERMISSION.test(permission))) fail("EINVAL");
        store.setPermissions(path(), permissions, user, transaction);
        return bytesOf(OK);
      }
      case storeMessages.WATCH:
        this.#watch(words[0] ?? "", words[1] ?? "");
        return bytesOf(OK);
      case storeMessages.UNWATCH:
        store.unwatch(user, this.#watchPath(words[0] ?? ""), words[1] ?? "");
        return bytesOf(OK);
      case storeMessages.RESET_WATCHES:
        store.forget(user);
        return bytesOf(OK);
      case storeMessages.TRANSACTION_START:
        if (transaction !== 0) fail("EBUSY");
        return bytesOf(`${store.begin(user)}\0`);
      case storeMessages.TRANSACTION_END:
        if (words[0] !== "T" && words[0] !== "F") fail("EINVAL");
        store.end(transaction, user, words[0] === "T");
        return bytesOf(OK);
      case storeMessages.GET_DOMAIN_PATH:
        return bytesOf(`/local/domain/${this.#domain(words[0])}\0`);
      case storeMessages.IS_DOMAIN_INTRODUCED:
        return bytesOf(this.#domain(words[0]) === user || this.#domain(words[0]) === 0 ? "T\0" : "F\0");
      case storeMessages.INTRODUCE:
      case storeMessages.RELEASE:
      case storeMessages.RESUME:
      case storeMessages.SET_TARGET:
      case storeMessages.CONTROL:
        return fail("EACCES");
      default:
        return fail("ENOSYS");
    }
  }

  #domain(word: string | undefined): number {
    if (word === undefined || !/^\d{1,5}$/.test(word)) fail("EINVAL");
    return Number(word);
  }

  /** Names from an offset on, behind the node's generation; the last piece ends with an empty name. */
  #directoryPart(transaction: number, path: string, offset: number): Uint8Array {
    if (!Number.isInteger(offset) || offset < 0) fail("EINVAL");
    const names = bytesOf([...this.store.tree(transaction, this.user).read(path, this.user).children].map((name) => `${name}\0`).join(""));
    const head = bytesOf(`${names.byteLength}\0`);
    const room = STORE_PAYLOAD_MAX - head.byteLength - 1;
    let end = Math.min(names.byteLength, offset + room);
    if (end < names.byteLength) end = names.lastIndexOf(0, end - 1) + 1;
    const last = end >= names.byteLength ? [0] : [];
    return Uint8Array.from([...head, ...names.subarray(offset, end), ...last]);
  }

  #watch(given: string, token: string): void {
    const path = this.#watchPath(given);
    const relative = !given.startsWith("/") && !given.startsWith("@");
    const home = `${this.#home}/`;
    this.store.watch({
      user: this.user,
      path,
      token,
      fire: (changed) => {
        const shown = relative && changed.startsWith(home) ? changed.slice(home.length) : changed;
        this.send({ type: storeMessages.WATCH_EVENT, request: 0, transaction: 0, payload: bytesOf(`${shown}\0${token}\0`) });
      },
    });
  }

  get #home(): string {
    return `/local/domain/${this.user}`;
  }

  /** The two events that are no nodes may be watched too. */
  #watchPath(given: string): string {
    return given === "@introduceDomain" || given === "@releaseDomain" ? given : this.#path(given);
  }

  #path(given: string): string {
    const absolute = given.startsWith("/");
    const longest = absolute ? STORE_PATH_MAX.absolute : STORE_PATH_MAX.relative;
    if (given === "/") return given;
    if (!PATH.test(given) || given.length > longest || given.includes("//") || given.endsWith("/") || given.includes("@")) fail("EINVAL");
    return absolute ? given : `${this.#home}/${given}`;
  }
}

function fitting(payload: Uint8Array): Uint8Array {
  return payload.byteLength > STORE_PAYLOAD_MAX ? fail("E2BIG") : payload;
}

function fail(reason: StoreError): never {
  throw new StoreFailure(reason);
}
