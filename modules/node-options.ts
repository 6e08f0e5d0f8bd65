/** What an app may choose about a node. The public face gives defaults to what is required here. */
export interface NodeOptions {
	/** Name on the tailnet; default: that of the machine. */
	hostname: string;
	/** Registers the node without a person. Needed once: the keys are kept in the store. */
	authKey?: string;
	/** "https://host", "https://host:port", "http://host:port"; default: Tailscale's. */
	controlURL?: string;
	/** Where keys are kept: a folder on desktops, a name on devices. Without one they live as long as the process. */
	store?: string;
	/** Certificate authorities to trust besides the machine's, PEM texts. */
	authorities?: string[];
	/** The node is removed from the tailnet soon after it is gone. */
	ephemeral?: boolean;
	/** "tag:sensor" ...; not needed with a tagged auth key. */
	tags?: string[];
	/** UDP port for peers; default: that of the last run, or any. */
	port?: number;
	/** Endpoints where peers reach us besides those found, "ip:port". */
	endpoints?: string[];
	/** Ask the router of the LAN (NAT-PMP, PCP, UPnP) to forward a port to us, so that peers reach us directly behind any NAT; default true. */
	portMapping?: boolean;
	/** Nothing new comes in. */
	shieldsUp?: boolean;
	/** Use the subnet routes of peers. */
	acceptRoutes?: boolean;
	/** Subnets offered to the tailnet, "10.0.0.0/24". */
	advertiseRoutes?: string[];
	/** Peer through which everything else goes. */
	exitNode?: string;
	/** What suspend() of the last run gave: its sessions go on. Good once. */
	resume?: Uint8Array;
	/** Peers with a session at the same time; the pool is fixed. */
	peerSlots: number;
}
