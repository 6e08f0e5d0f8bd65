/**
 * The shapes that modules/derp shares with its neighbours: the part of the DERP map it reads (protocol/relay.md §3.1), what it needs of the
 * tunnel, and what it tells about itself.
 */

/** One server of a region. */
export interface DERPNode {
	/** Unique in the map, for example "10b"; not a host name. */
	readonly name: string;
	/** DNS name or IP literal: SNI, HTTP Host, and the certificate's name unless certName says otherwise. */
	readonly hostName: string;
	/** "", a name, or "sha256-raw:" and 64 lower-case hex digits. */
	readonly certName: string;
	/** "" = DNS, a literal = this address, any other text = family disabled. */
	readonly ipv4: string;
	readonly ipv6: string;
	/** 0 = 443. */
	readonly derpPort: number;
	/** Never dialled for DERP. */
	readonly stunOnly: boolean;
	/** No certificate check; honoured only with DERPOptions.allowInsecure. */
	readonly insecureForTests: boolean;
}

export interface DERPRegion {
	/** 1..65535: it travels in 16 bits. */
	readonly id: number;
	/** For display, "fra". */
	readonly code: string;
	/** In order of preference. */
	readonly nodes: readonly DERPNode[];
}

/** What the data plane does for DERP; TunnelLink of modules/tunnel/link.ts is one. */
export interface DERPSource {
	/** Tunnel.derpReceive: takes RecvPacket frames, returns the other frames whole; -1 when the stream is broken. */
	derpReceive(region: number, bytes: Uint8Array): Uint8Array | undefined | -1;
	/** A new connection to region begins: forget any half frame. */
	derpReset(region: number): void;
	/** Fills buffer with whole SendPacket frames queued for region. @returns bytes filled, 0 when none */
	derpTake(region: number, buffer: Uint8Array): number;
	/** The connection to region is open now, or gone: routes learned on it are forgotten. */
	derpState(region: number, open: boolean): void;
	/** PeerGone: forget the route learned for that node key on that region. */
	derpGone(region: number, nodeKey: Uint8Array): void;
}

/** See the table in region-connection.ts. */
export type RegionState = "closed" | "dialling" | "upgrading" | "greeting" | "up" | "waiting";

export type DERPErrorCode =
	| "unreachable" // DNS or TCP, or no node that may be dialled
	| "certificate" // the server's certificate is not acceptable
	| "protocol" // TLS, HTTP, greeting, login or frames were wrong
	| "refused" // the server ended the stream before ServerInfo: it does not admit our node key
	| "timeout" // the attempt's or the read limit
	| "closed"; // the server ended the stream

export interface DERPError {
	readonly code: DERPErrorCode;
	/** What was expected and what came. */
	readonly message: string;
}

/** What health and status pages read. */
export interface RegionStatus {
	readonly region: number;
	readonly code: string;
	readonly home: boolean;
	readonly state: RegionState;
	/** ServerInfo has come: the server admitted us. */
	readonly admitted: boolean;
	/** Monotonic milliseconds of the last bytes received while up; undefined before the first. */
	readonly lastFrameMS: number | undefined;
	/** Failures in a row. */
	readonly failures: number;
	/** Why the last connection or attempt ended; cleared when the server admits us. */
	readonly error: DERPError | undefined;
	/** Text of the server's last Health frame, "" = healthy. */
	readonly problem: string;
	/** Name of the node we are connected to, "" = none. */
	readonly node: string;
	/** Our own address of the connection, "" = none. */
	readonly localAddress: string;
}
