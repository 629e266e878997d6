/** grant_table_op: the table itself, version 1. Mapping other domains' grants is for those who have other domains. public/grant_table.h. */
import { errno } from "../abi/errno.js";
import { grantCommands } from "../abi/services.js";
import { domids } from "../abi/xen.js";
import { DOMAIN_ID } from "../domain/domain.js";
import { type Call, type CallResult, u32 } from "./call.js";

const STATUS_OKAY = 0;
const STATUS_GENERAL_ERROR = 0xffff;
const STATUS_BAD_DOMAIN = 0xfffe;

/** grant_table_op(command, operations, count) */
export function grantTableOp({ domain, vcpu, args }: Call): CallResult {
  const { copy, grants } = domain;
  const address = args[1] ?? 0n;
  const wide = domain.bits === 64;
  const isOwn = (id: number): boolean => id === domids.SELF || id === DOMAIN_ID;
  switch (u32(args[0])) {
    case grantCommands.query_size: {
      const bytes = copy.read(vcpu.id, address, 16);
      if (bytes === undefined) return -errno.EFAULT;
      const view = new DataView(bytes.buffer);
      const own = isOwn(view.getUint16(0, true));
      view.setUint32(4, own ? grants.frames.length : 0, true);
      view.setUint32(8, own ? grants.maxFrames : 0, true);
      view.setUint16(12, own ? STATUS_OKAY : STATUS_BAD_DOMAIN, true);
      return copy.write(vcpu.id, address, bytes) ? 0 : -errno.EFAULT;
    }
    case grantCommands.setup_table: {
      const bytes = copy.read(vcpu.id, address, wide ? 24 : 16);
      if (bytes === undefined) return -errno.EFAULT;
      const view = new DataView(bytes.buffer);
      const count = view.getUint32(4, true);
      const list = wide ? view.getBigUint64(16, true) : BigInt(view.getUint32(12, true));
      let status = isOwn(view.getUint16(0, true)) ? STATUS_OKAY : STATUS_BAD_DOMAIN;
      if (status === STATUS_OKAY && (count > grants.maxFrames || !grants.grow(count))) status = STATUS_GENERAL_ERROR;
      for (let index = 0; status === STATUS_OKAY && index < count; index++) {
        const width = wide ? 8 : 4;
        if (!copy.writeNumber(vcpu.id, list + BigInt(index * width), width, grants.frames[index]!)) return -errno.EFAULT;
      }
      view.setUint16(8, status, true);
      return copy.write(vcpu.id, address, bytes) ? 0 : -errno.EFAULT;
    }
    case grantCommands.get_version: {
      const bytes = copy.read(vcpu.id, address, 8);
      if (bytes === undefined) return -errno.EFAULT;
      new DataView(bytes.buffer).setUint32(4, 1, true);
      return copy.write(vcpu.id, address, bytes) ? 0 : -errno.EFAULT;
    }
    case grantCommands.set_version: {
      const version = copy.readNumber(vcpu.id, address, 4);
      if (version === undefined) return -errno.EFAULT;
      if (version === 1n) return 0;
      return version === 2n ? -errno.ENOSYS : -errno.EINVAL;
    }
    default:
      return -errno.ENOSYS;
  }
}
