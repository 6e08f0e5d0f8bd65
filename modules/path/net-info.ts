/**
 * What control is told about our network: Hostinfo.NetInfo. Source: protocol/paths.md §3.6.
 *
 * Until a NetInfo with PreferredDERP has been sent, peers have no way to reach us. It is sent again when anything but DERPLatency differs.
 */
import type { MappingServices } from "../portmap/port-mapper.js";
import type { NetcheckReport } from "./netcheck.js";

/** JSON as control reads it. A tri-state member is absent while unknown. */
export interface NetInfo {
	MappingVariesByDestIP?: boolean;
	WorkingIPv6: boolean;
	OSHasIPv6: boolean;
	WorkingUDP: boolean;
	/** Region where peers reach us, 0 = none. */
	PreferredDERP: number;
	LinkType?: string;
	/** The gateway maps a port for us now. */
	HavePortMap: boolean;
	/** What the gateway speaks. */
	UPnP?: boolean;
	PMP?: boolean;
	PCP?: boolean;
	/** "<region>-v4" or "<region>-v6" to seconds. */
	DERPLatency: Record<string, number>;
}

/** What port mapping adds. */
export interface PortMappingFacts {
	readonly hasMapping: boolean;
	readonly services: Readonly<MappingServices>;
}

/** @param hasV6 the machine has an IPv6 stack */
export function netInfoOf(report: NetcheckReport, home: number, hasV6: boolean, mapping: PortMappingFacts, linkType?: string): NetInfo {
	const latency: Record<string, number> = {};
	for (const [region, latencyMS] of report.latencyV4) latency[`${region}-v4`] = latencyMS / 1000;
	for (const [region, latencyMS] of report.latencyV6) latency[`${region}-v6`] = latencyMS / 1000;
	const info: NetInfo = {
		WorkingIPv6: report.ipv6,
		OSHasIPv6: hasV6,
		WorkingUDP: report.udp,
		PreferredDERP: home,
		HavePortMap: mapping.hasMapping,
		DERPLatency: latency,
	};
	if (report.mappingVaries !== undefined) info.MappingVariesByDestIP = report.mappingVaries;
	const { upnp, pmp, pcp } = mapping.services;
	if (upnp !== undefined) info.UPnP = upnp;
	if (pmp !== undefined) info.PMP = pmp;
	if (pcp !== undefined) info.PCP = pcp;
	if (linkType) info.LinkType = linkType;
	return info;
}

/** Whether control has to hear of the new one. */
export function netInfoDiffers(a: NetInfo | undefined, b: NetInfo): boolean {
	if (!a) return true;
	return (
		a.MappingVariesByDestIP !== b.MappingVariesByDestIP ||
		a.WorkingIPv6 !== b.WorkingIPv6 ||
		a.OSHasIPv6 !== b.OSHasIPv6 ||
		a.WorkingUDP !== b.WorkingUDP ||
		a.PreferredDERP !== b.PreferredDERP ||
		a.HavePortMap !== b.HavePortMap ||
		a.UPnP !== b.UPnP ||
		a.PMP !== b.PMP ||
		a.PCP !== b.PCP ||
		a.LinkType !== b.LinkType
	);
}
