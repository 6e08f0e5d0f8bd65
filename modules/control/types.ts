/**
 * The shapes that modules/control shares with its owner (modules/tailnet.ts). Types and constants only; class Control of control.ts is behind them.
 *
 * Keys are raw (32 bytes), time is monotonic milliseconds unless the name says otherwise.
 */
import type { TailnetError } from "../errors.js";
import type { MapMessage, MapReading, PingRequest } from "../netmap/types.js";

/** What we claim to understand; one number in /key, the Noise header and prologue, register and map requests (protocol/control.md §2.2). */
export const CAPABILITY_VERSION = 131;

/** Hostinfo.IPNVersion: a real release number, or the admin console calls the device too old. */
export const CLIENT_VERSION = "1.98.9";

export const DEFAULT_CONTROL_URL = "https://controlplane.tailscale.com";

/** Silence on the map poll, in ms, after which it is started again (upstream's value). */
export const MAP_SILENCE_MS = 120_000;

/** Silence, in ms, after which the node calls itself degraded. */
export const DEGRADED_AFTER_MS = 130_000;

/**
 * Where the node stands with control. The data plane goes on in every state but "stopped" as long as the map in force allows.
 *
 *   connecting   no map yet since start(), or since control forgot us
 *   needs-login  a person has to visit the URL given to onLogin
 *   key-expired  the same, because the node key has expired
 *   running      a map message came less than 130 s ago (a reconnection in between does not show)
 *   degraded     there is a map, but nothing came for 130 s
 *   refused      control says no (auth key, version ...): asked again only rarely
 *   stopped      before start(), after close() or logout(), or control asked to exit
 */
export type ControlState = "connecting" | "needs-login" | "key-expired" | "running" | "degraded" | "refused" | "stopped";

/** Facts of the machine and the app, sent to control and from there to the peers. All but hostname may be absent. */
export interface HostFacts {
	/** At least 2 characters; control derives the DNS name from it. */
	hostname: string;
	os?: string;
	osVersion?: string;
	deviceModel?: string;
	/** The app that the node lives in. */
	app?: string;
	/** Processor, as Go calls it: "amd64", "arm64" ... */
	goArch?: string;
	/** Subnet routes offered, "10.0.0.0/24". */
	routableIPs?: readonly string[];
	/** PeerAPI ports, 0 or absent = none. */
	peerAPI4?: number;
	peerAPI6?: number;
	/** Inbound connections are blocked here. */
	shieldsUp?: boolean;
}

/** Result of a netcheck, as control wants it. Absent = unknown. Report changes of it, not jitter of the latencies. */
export interface NetFacts {
	/** DERP region we are connected to as home; 0 = none. */
	preferredDERP: number;
	workingUDP?: boolean;
	workingIPv6?: boolean;
	osHasIPv6?: boolean;
	mappingVariesByDestIP?: boolean;
	/** The gateway maps a port for us. */
	havePortMap?: boolean;
	upnp?: boolean;
	pmp?: boolean;
	pcp?: boolean;
	linkType?: "wifi" | "wired";
	/** "<region>-v4" or "<region>-v6" to seconds. */
	derpLatency?: Readonly<Record<string, number>>;
}

/** EndpointTypes of a map request: 0 unknown, 1 local, 2 STUN, 3 port mapped, 4 STUN address with the local port, 5 given by the app. */
export type EndpointType = 0 | 1 | 2 | 3 | 4 | 5;

/** One UDP address where peers may find us. */
export interface OwnEndpoint {
	/** "1.2.3.4:41641" or "[2001:db8::1]:41641". */
	readonly endpoint: string;
	readonly type: EndpointType;
}

/** What registration said. Addresses and name come with the first map. */
export interface Registration {
	/** Public node key that is registered now. If it is another one than before, WireGuard and DERP switch to it now, at once. */
	readonly nodeKey: Uint8Array;
	/** Owner, for display. */
	readonly loginName: string;
	readonly displayName: string;
	/** false: an administrator has to approve the machine; the map follows all the same. */
	readonly machineAuthorized: boolean;
}

/** Why another node key is needed. */
export type NodeKeyReason = "expired" | "logged-out";

/** Answer to a ping that control asked for (types "disco", "TSMP", "ICMP", "peerapi"). */
export interface PingAnswer {
	/** "" = it worked. */
	error: string;
	latencySeconds?: number;
	/** "ip:port" when direct. */
	endpoint?: string;
	derpRegion?: number;
	derpRegionCode?: string;
	nodeIP?: string;
	nodeName?: string;
	peerAPIPort?: number;
	isLocalIP?: boolean;
}

/** Never called from inside a call of the owner. What a callback throws is logged and goes no further. */
export interface ControlCallbacks {
	/** reason is for people: "" when there is nothing to say. Called on changes of the state or of the reason's kind only. */
	onState(state: ControlState, reason: string): void;
	/** A person has to visit the URL; also called with a newer URL. */
	onLogin(url: string): void;
	/** Registered. Called at least once before the first map message. */
	onRegistered(registration: Registration): void;
	/**
	 * A new node key pair is wanted; the present one is given up when the new one is registered. The owner stores both before it returns, and gives the
	 * old public key as oldNodeKey if it is restarted before onRegistered.
	 * @returns 32 bytes, the new private key
	 */
	onNodeKeyWanted(reason: NodeKeyReason): Uint8Array;
	/** One message of the map poll; its netmap part is in force already. Ping requests and control's debug wishes are served by Control itself. */
	onMap(message: MapMessage): void;
	/** Control asks for a ping. type: "disco", "TSMP", "ICMP" or "peerapi"; done is called once, within 10 s. Absent: answered with an error. */
	onPing?(type: string, address: string, done: (answer: PingAnswer) => void): void;
	/** An error worth telling; equal errors in a row are told once. The retry goes on by itself. */
	onError(error: TailnetError): void;
}

export interface ControlOptions {
	/** Default DEFAULT_CONTROL_URL. "https://h", "https://h:P", "http://h:P". */
	controlURL?: string;
	/** Auth key, verbatim; what follows "--TL" is cut. */
	authKey?: string;
	/** 32 bytes. */
	machinePrivateKey: Uint8Array;
	/** 32 bytes. */
	nodePrivateKey: Uint8Array;
	/** Public key of a rotation that was cut short: 32 bytes. */
	oldNodeKey?: Uint8Array;
	/** The node key was registered before: it is tried without the auth key first. */
	isKnown?: boolean;
	/** 32 bytes, new at each start. */
	discoPublicKey: Uint8Array;
	host: HostFacts;
	ephemeral?: boolean;
	/** "tag:x"; not needed with a tagged auth key. */
	tags?: readonly string[];
	/** Trusted roots besides the machine's own, PEM. */
	authorities?: string[];
	/** Default CAPABILITY_VERSION. */
	capabilityVersion?: number;
	/** HTTP/2 stream window in bytes: what the server may send ahead. Default 16384. */
	windowBytes?: number;
	/** TLS is tried this many ms after plaintext (only where both are allowed). Default 2000. */
	fallbackDelayMS?: number;
	/** Reads the map (modules/netmap/map-reader.ts). */
	mapReader: MapReading;
}

/** What health and status pages read. */
export interface ControlStatus {
	readonly state: ControlState;
	readonly reason: string;
	/** What it is doing right now. */
	readonly phase: "idle" | "key" | "dialling" | "registering" | "login" | "polling" | "waiting";
	/** How the present session is carried; "" = none. */
	readonly transport: "" | "plain" | "tls";
	/** Monotonic ms of the last complete map message, 0 = none. */
	readonly lastMessageMS: number;
	/** Monotonic ms since when the present session is up, 0 = none. */
	readonly sessionSinceMS: number;
	/** Failures in a row. */
	readonly failures: number;
	/** The last failure; cleared by the first good map message. */
	readonly error: TailnetError | undefined;
	/** Sessions that came up since start(). */
	readonly sessions: number;
	/** Lite updates that control took. */
	readonly updates: number;
	/** Map messages, keep-alives included. */
	readonly messages: number;
	/** Our own address of the present session, "" = none: tells which interface leads out. */
	readonly localAddress: string;
}

export type { MapMessage, MapReading, PingRequest };
