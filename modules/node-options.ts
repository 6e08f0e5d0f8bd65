/** What an app may choose about a node. The public face gives defaults to what is required here. */
export interface NodeOptions {
	/**
	 * Name on the tailnet: up to 63 letters, digits and hyphens.
	 * @default that of the machine
	 */
	hostname: string;
	/** Registers the node without a person. Needed once: keys are kept in the store. */
	authKey?: string;
	/**
	 * "https://host", "https://host:port" or "http://host:port".
	 * @default Tailscale's
	 */
	controlURL?: string;
	/** Where keys are kept: a name on boards (15 characters) and in the simulator, a folder in Node. Without one they live as long as the process. */
	store?: string;
	/** Certificate authorities to trust besides the machine's, PEM texts. */
	authorities?: string[];
	/**
	 * The node is removed from the tailnet soon after it is gone.
	 * @default false
	 */
	ephemeral?: boolean;
	/** "tag:sensor" and the like; not needed with a tagged auth key. */
	tags?: string[];
	/**
	 * UDP port for peers, 0 to 65535.
	 * @default that of the last run, or any
	 */
	port?: number;
	/** "ip:port" where peers reach the node besides what it finds. */
	endpoints?: string[];
	/**
	 * Ask the router of the LAN (NAT-PMP, PCP, UPnP) to forward a port to us, so that peers reach us directly behind any NAT.
	 * @default true
	 */
	portMapping?: boolean;
	/**
	 * Nothing new comes in.
	 * @default false
	 */
	shieldsUp?: boolean;
	/**
	 * Use the subnet routes of peers.
	 * @default false
	 */
	acceptRoutes?: boolean;
	/** Subnets whose hosts peers may reach through us, "10.0.0.0/24". */
	advertiseRoutes?: string[];
	/** Name or address of the peer through which everything else goes. */
	exitNode?: string;
	/**
	 * Keep what the tailnet's policy grants peers at this node, for whois().
	 * @default false
	 */
	grants?: boolean;
	/**
	 * Keep the login names of the tailnet's users, for whois(): at most 256 of them.
	 * @default false
	 */
	logins?: boolean;
	/** What suspend() of the last run gave: its sessions go on. Good once. */
	resume?: Uint8Array;
	/**
	 * Peers with a session at the same time, at most what the core was built for.
	 * @default 256
	 */
	peerSlots: number;
}
