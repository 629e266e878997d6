/**
 * Time under VMI: the counter is the machine's; alarms are ROM calls with clock event devices of their own (../time/alarms.ts).
 */
import type { TimeOps } from "@paravane/paravirt-ops";

/** The time group, over that of the layer beneath. */
export function timeOps(under: TimeOps): TimeOps {
  return {
    readTsc: under.readTsc,
    schedClock: under.schedClock,
    stealClock: under.stealClock,
    tscKhz: under.tscKhz,
    getWallclock: under.getWallclock,
    setWallclock: under.setWallclock,
    setNextEvent: under.setNextEvent,
    setPeriodic: under.setPeriodic,
    shutdownEvent: under.shutdownEvent,
  };
}
