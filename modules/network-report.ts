/** A look at the network, as people ask for it: Tailnet.netcheck(), `tailnet netcheck`. */
import type { PortMappingFacts } from "./path/net-info.js";
import type { NetcheckReport } from "./path/netcheck.js";

export interface NetworkReport extends NetcheckReport {
	/** Relay regions that answered, the nearest first. */
	regions: { region: number; code: string; latencyMS: number }[];
	/** UDP endpoint that the router forwards to us, "" = none. */
	portMapping: string;
	/** Whether the router answered by NAT-PMP, PCP, UPnP; undefined = it was not asked. */
	pmp: boolean | undefined;
	pcp: boolean | undefined;
	upnp: boolean | undefined;
}

/** @param codeOf code of a relay region */
export function networkReport(
	report: NetcheckReport,
	mapping: PortMappingFacts & { readonly endpoint: string },
	codeOf: (region: number) => string,
): NetworkReport {
	const { pmp, pcp, upnp } = mapping.services;
	const regions = [...report.latency].map(([region, latencyMS]) => ({ region, code: codeOf(region), latencyMS }));
	regions.sort((a, b) => a.latencyMS - b.latencyMS);
	return { ...report, regions, portMapping: mapping.endpoint, pmp, pcp, upnp };
}
