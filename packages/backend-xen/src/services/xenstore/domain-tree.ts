/** What a new domain finds in xenstore, as Xen's toolstack writes it. Values that the guest may write have it as their owner. */
import type { XenStore } from "./store.js";

/** What the nodes say. */
export interface DomainDescription {
  readonly domain: number;
  readonly name: string;
  readonly vcpus: number;
  readonly pages: number;
  readonly storePort: number;
  readonly storeFrame: number;
  readonly consolePort: number;
  readonly consoleFrame: number;
}

const UUID = "00000000-0000-0000-0000-000000000001";

/** Writes the domain's part of the tree. */
export function describeDomain(store: XenStore, description: DomainDescription): void {
  const { domain, name, vcpus, pages } = description;
  const home = `/local/domain/${domain}`;
  const readable = ["n0", `r${domain}`];
  const own = [`n${domain}`];
  const put = (path: string, value: string, permissions: readonly string[] = readable): void => {
    store.writeText(path, value);
    store.setPermissions(path, permissions);
  };
  put(home, "");
  put(`/vm/${UUID}`, "");
  put(`/vm/${UUID}/name`, name);
  put(`${home}/vm`, `/vm/${UUID}`);
  put(`${home}/name`, name);
  put(`${home}/domid`, `${domain}`);
  put(`${home}/cpu`, "");
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    put(`${home}/cpu/${vcpu}`, "");
    put(`${home}/cpu/${vcpu}/availability`, "online");
  }
  put(`${home}/memory`, "");
  put(`${home}/memory/static-max`, `${pages * 4}`);
  put(`${home}/memory/target`, `${pages * 4}`);
  put(`${home}/memory/videoram`, "0");
  put(`${home}/device`, "");
  put(`${home}/device/suspend`, "");
  put(`${home}/device/suspend/event-channel`, "", own);
  put(`${home}/control`, "");
  for (const node of ["shutdown", "feature-poweroff", "feature-reboot", "feature-suspend", "sysrq"])
    put(`${home}/control/${node}`, "", own);
  put(`${home}/control/platform-feature-multiprocessor-suspend`, "1");
  put(`${home}/control/platform-feature-xs_reset_watches`, "1");
  for (const node of ["data", "drivers", "feature", "attr", "error"]) put(`${home}/${node}`, "", own);
  put(`${home}/store`, "");
  put(`${home}/store/port`, `${description.storePort}`);
  put(`${home}/store/ring-ref`, `${description.storeFrame}`);
  put(`${home}/console`, "");
  put(`${home}/console/backend`, `/local/domain/0/backend/console/${domain}/0`);
  put(`${home}/console/backend-id`, "0", [`n${domain}`, "r0"]);
  put(`${home}/console/limit`, "1048576");
  put(`${home}/console/type`, "xenconsoled");
  put(`${home}/console/output`, "pty");
  put(`${home}/console/port`, `${description.consolePort}`);
  put(`${home}/console/ring-ref`, `${description.consoleFrame}`);
}
