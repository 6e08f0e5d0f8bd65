/** In the place of modules/upnp on a device that leaves UPnP out (without-upnp.json): ports are mapped by NAT-PMP and PCP alone. */
import type { MapperUPnP } from "../portmap/port-mapper.js";
import type { UPnPOwner } from "../upnp/upnp.js";

export function openUPnP(_owner: UPnPOwner): MapperUPnP | undefined {
	return undefined;
}
