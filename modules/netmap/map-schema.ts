/**
 * What the JSON scanner does with a MapResponse: everything that grows with the tailnet is cut to elements, a Node loses the members that we do not use,
 * and a rule is cut open, so that one with 10,000 sources passes through a small buffer too. See protocol/control.md §6.7 and native/tn_json.h.
 */
import { compileSchema, eachElement, eachMember, keys, list, members, project, take } from "./json-schema.js";

/** Numbers under which values are reported. */
export const Path = {
	keepAlive: 1,
	pingRequest: 2,
	popBrowserURL: 3,
	controlTime: 4,
	clientVersion: 5,
	dialPlan: 6,
	debug: 7,
	tka: 8,
	domain: 9,
	health: 10,
	displayMessages: 11,
	displayMessage: 12,
	profiles: 13,
	profile: 14,
	self: 16,
	derpMap: 17,
	derpRegions: 18,
	derpRegion: 19,
	homeParams: 20,
	peers: 32,
	peer: 33,
	peersChanged: 34,
	peerChanged: 35,
	peersRemoved: 36,
	peerRemoved: 37,
	patches: 38,
	patch: 39,
	seenChanges: 40,
	seenChange: 41,
	onlineChanges: 42,
	onlineChange: 43,
	/** PacketFilter: its list, then a rule's parts as in PacketFilters. */
	baseRules: 64,
	/** PacketFilters: the object, then each chunk's list with its name as key. */
	chunks: 65,
	chunkRules: 66,
	rule: 67,
	sources: 68,
	source: 69,
	destinations: 70,
	destination: 71,
	protocols: 72,
	sourceBits: 73,
	grants: 74,
	grant: 75,
	dns: 96,
	dnsProxied: 97,
	dnsDomains: 98,
	dnsResolvers: 99,
	dnsFallbackResolvers: 100,
	dnsRoutes: 101,
	dnsRoute: 102,
	dnsRecords: 103,
	dnsRecord: 104,
} as const;

const kept = take();

/** Members of Node that a peer's record is made of (record-writer.ts). */
const peerMembers = {
	ID: kept,
	Name: kept,
	User: kept,
	Key: kept,
	KeyExpiry: kept,
	KeySignature: kept,
	DiscoKey: kept,
	Addresses: kept,
	AllowedIPs: kept,
	Endpoints: kept,
	HomeDERP: kept,
	DERP: kept,
	Hostinfo: project(0, { Services: list(0, project(0, { Proto: kept, Port: kept })) }),
	Cap: kept,
	Tags: kept,
	LastSeen: kept,
	Online: kept,
	Capabilities: kept,
	CapMap: keys(),
	UnsignedPeerAPIOnly: kept,
	Expired: kept,
	SelfNodeV4MasqAddrForThisPeer: kept,
	SelfNodeV6MasqAddrForThisPeer: kept,
	IsWireGuardOnly: kept,
	IsJailed: kept,
};

/** Members of Node that our own node is made of (self.ts). */
const selfMembers = {
	ID: kept,
	StableID: kept,
	Name: kept,
	User: kept,
	Key: kept,
	KeyExpiry: kept,
	KeySignature: kept,
	Addresses: kept,
	PrimaryRoutes: kept,
	Tags: kept,
	MachineAuthorized: kept,
	Capabilities: kept,
	CapMap: keys(),
	Expired: kept,
};

const patchMembers = {
	NodeID: kept,
	DERPRegion: kept,
	Cap: kept,
	CapMap: keys(),
	Endpoints: kept,
	Key: kept,
	KeySignature: kept,
	DiscoKey: kept,
	Online: kept,
	LastSeen: kept,
	KeyExpiry: kept,
};

const regionMembers = {
	RegionID: kept,
	RegionCode: kept,
	RegionName: kept,
	Avoid: kept,
	NoMeasureNoHome: kept,
	Nodes: list(
		0,
		project(0, {
			Name: kept,
			HostName: kept,
			CertName: kept,
			IPv4: kept,
			IPv6: kept,
			STUNPort: kept,
			STUNOnly: kept,
			DERPPort: kept,
			CanPort80: kept,
			InsecureForTests: kept,
			STUNTestIP: kept,
		}),
	),
};

const rule = members(
	{
		SrcIPs: eachElement(Path.sources, take(Path.source)),
		DstPorts: eachElement(Path.destinations, project(Path.destination, { IP: kept, Ports: kept, Bits: kept })),
		IPProto: take(Path.protocols),
		SrcBits: take(Path.sourceBits),
		CapGrant: eachElement(Path.grants, project(Path.grant, { Dsts: kept, Caps: kept, CapMap: keys() })),
	},
	{ path: Path.rule, announce: true },
);

/** The schema of a MapResponse for JSONScanner. @param hasLogins the names of users are wanted */
export function mapSchema(hasLogins = false): Uint8Array {
	return compileSchema(
		members({
			KeepAlive: take(Path.keepAlive),
			PingRequest: take(Path.pingRequest),
			PopBrowserURL: take(Path.popBrowserURL),
			ControlTime: take(Path.controlTime),
			ClientVersion: project(Path.clientVersion, { RunningLatest: kept, LatestVersion: kept, UrgentSecurityUpdate: kept }),
			ControlDialPlan: project(Path.dialPlan, { Candidates: list(0, project(0, { IP: kept, ACEHost: kept, Priority: kept })) }),
			Debug: project(Path.debug, { SleepSeconds: kept, DisableLogTail: kept, Exit: kept }),
			TKAInfo: project(Path.tka, { Head: kept, Disabled: kept }),
			Domain: take(Path.domain),
			Health: take(Path.health),
			DisplayMessages: eachMember(Path.displayMessages, project(Path.displayMessage, { Title: kept, Text: kept, Severity: kept })),
			...(hasLogins ? { UserProfiles: eachElement(Path.profiles, project(Path.profile, { ID: kept, LoginName: kept })) } : {}),
			Node: project(Path.self, selfMembers),
			DERPMap: members({
				Regions: eachMember(Path.derpRegions, project(Path.derpRegion, regionMembers), true),
				HomeParams: take(Path.homeParams),
			}),
			Peers: eachElement(Path.peers, project(Path.peer, peerMembers)),
			PeersChanged: eachElement(Path.peersChanged, project(Path.peerChanged, peerMembers)),
			PeersRemoved: eachElement(Path.peersRemoved, take(Path.peerRemoved)),
			PeersChangedPatch: eachElement(Path.patches, project(Path.patch, patchMembers)),
			PeerSeenChange: eachMember(Path.seenChanges, take(Path.seenChange)),
			OnlineChange: eachMember(Path.onlineChanges, take(Path.onlineChange)),
			PacketFilter: eachElement(Path.baseRules, rule, true),
			PacketFilters: eachMember(Path.chunks, eachElement(Path.chunkRules, rule, true), true),
			DNSConfig: members(
				{
					Proxied: take(Path.dnsProxied),
					Domains: take(Path.dnsDomains),
					Resolvers: take(Path.dnsResolvers),
					FallbackResolvers: take(Path.dnsFallbackResolvers),
					Routes: eachMember(Path.dnsRoutes, take(Path.dnsRoute)),
					ExtraRecords: eachElement(Path.dnsRecords, project(Path.dnsRecord, { Name: kept, Type: kept, Value: kept })),
				},
				{ path: Path.dns, announce: true },
			),
		}),
	);
}
