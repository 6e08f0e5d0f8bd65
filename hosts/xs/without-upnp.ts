/** In the place of modules/upnp/upnp.ts in an app that leaves UPnP out (without-upnp.json): ports are mapped by NAT-PMP and PCP alone. */
import type { MapperUPnP } from "tailnet/portmap/port-mapper";

export function openUPnP(): MapperUPnP | undefined {
	return undefined;
}
