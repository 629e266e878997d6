/** Boots an image on the bare machine, by the first protocol that it offers or the one that was asked for. */
import { type BootProtocol, type GuestImage, HvError } from "@paravane/paravirt-ops";
import type { BootTarget } from "./boot-target.js";
import { bootBzImage } from "./bzimage.js";
import { bootMultiboot } from "./multiboot.js";
import { bootPvh } from "./pvh.js";

/** Places the image and sets the boot processor. Returns the protocol used. @throws HvError "image/…" */
export function bootImage(image: GuestImage, target: BootTarget, wanted?: BootProtocol): BootProtocol {
  const protocol = wanted ?? image.protocols[0];
  if (protocol === undefined || !image.protocols.includes(protocol)) {
    throw new HvError(
      "image/no-boot-protocol",
      `the bare machine cannot start this image (${image.description})${wanted === undefined ? "" : ` by ${wanted}`}`,
      {
        hint: "a backend for its hypervisor may: see its notes",
      },
    );
  }
  switch (protocol) {
    case "linux32":
    case "linux64":
      bootBzImage(image, image.linux!, protocol, target);
      break;
    case "pvh":
      bootPvh(image, image.elf!, target);
      break;
    case "multiboot1":
      bootMultiboot(image, image.multiboot!, target);
      break;
  }
  return protocol;
}
