/** Hostinfo with its NetInfo, as JSON objects (protocol/control.md §5.2): what the machine is, what it offers, where peers find it. */
import { CLIENT_VERSION, type HostFacts, type NetFacts } from "./types.js";

export type JSONObject = Record<string, unknown>;

/** @param tags asked for with registration, "tag:x" */
export function hostinfo(facts: HostFacts, net: NetFacts | undefined, tags: readonly string[]): JSONObject {
	const services: JSONObject[] = [];
	if (facts.peerAPI4) services.push({ Proto: "peerapi4", Port: facts.peerAPI4 });
	if (facts.peerAPI6) services.push({ Proto: "peerapi6", Port: facts.peerAPI6 });
	return withoutEmpty({
		IPNVersion: CLIENT_VERSION,
		OS: facts.os ?? "linux",
		OSVersion: facts.osVersion,
		DeviceModel: facts.deviceModel,
		App: facts.app,
		GoArch: facts.goArch,
		Hostname: facts.hostname,
		ShieldsUp: facts.shieldsUp,
		NoLogsNoSupport: true,
		Userspace: true,
		RoutableIPs: facts.routableIPs,
		RequestTags: tags,
		Services: services,
		NetInfo: net && netInfo(net),
	});
}

function netInfo(net: NetFacts): JSONObject {
	return withoutEmpty({
		MappingVariesByDestIP: net.mappingVariesByDestIP,
		WorkingIPv6: net.workingIPv6,
		OSHasIPv6: net.osHasIPv6,
		WorkingUDP: net.workingUDP,
		HavePortMap: net.havePortMap,
		UPnP: net.upnp,
		PMP: net.pmp,
		PCP: net.pcp,
		PreferredDERP: net.preferredDERP,
		LinkType: net.linkType,
		DERPLatency: net.derpLatency,
	});
}

/** A Go server reads an absent member as "not known"; an empty one may be an error to it. */
function withoutEmpty(members: JSONObject): JSONObject {
	const result: JSONObject = {};
	for (const name of Object.keys(members)) {
		const value = members[name];
		if (value === undefined || value === "" || (Array.isArray(value) && value.length === 0)) continue;
		result[name] = value;
	}
	return result;
}
