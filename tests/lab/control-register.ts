/**
 * POST /machine/register on the server's side (protocol/control.md §5): auth keys, interactive login with a held follow-up, key rotation, expiry, logout.
 *
 *   node key known, same machine     -> as it is now, or NodeKeyExpired, or logout when Expiry is past
 *   OldNodeKey known                 -> the same node under a new key, once authorised
 *   Auth.AuthKey                     -> a node, or Error
 *   Followup                         -> held until somebody approves that URL
 *   none of these                    -> AuthURL
 */
import { randomBytes } from "node:crypto";
import { keyHex } from "./bytes.js";
import { isExpired, type LabNode, type Nodes, type User, userJSON } from "./control-nodes.js";

/** What an auth key gives. */
export interface AuthKey {
	readonly user?: User;
	readonly reusable?: boolean;
	readonly ephemeral?: boolean;
	readonly tags?: readonly string[];
	/** Skips device approval. */
	readonly preApproved?: boolean;
	readonly expiresAt?: Date;
}

export interface RegisterPolicy {
	readonly authKeys: Map<string, AuthKey>;
	readonly defaultUser: User;
	/** Nodes wait for approve() before they see the tailnet. */
	needsApproval: boolean;
	/** Life of a node key; undefined = for ever. */
	keyLifeMS: number | undefined;
	/** Without an auth key: "login" gives an AuthURL, "refuse" an Error, "open" lets everybody in. */
	withoutKey: "login" | "refuse" | "open";
}

interface PendingLogin {
	readonly url: string;
	user: User | undefined;
	/** Wakes the held follow-ups. */
	readonly waiting: Set<() => void>;
	replacedBy: string | undefined;
}

type Answer = Record<string, unknown>;

export class Register {
	readonly policy: RegisterPolicy;
	/** Every request seen, oldest first. */
	readonly requests: Record<string, unknown>[] = [];
	readonly #nodes: Nodes;
	readonly #baseURL: () => string;
	readonly #onChange: (node: LabNode) => void;
	readonly #onRemove: (node: LabNode) => void;
	readonly #used = new Set<string>();
	readonly #logins = new Map<string, PendingLogin>();

	constructor(nodes: Nodes, policy: RegisterPolicy, baseURL: () => string, onChange: (node: LabNode) => void, onRemove: (node: LabNode) => void) {
		this.#nodes = nodes;
		this.policy = policy;
		this.#baseURL = baseURL;
		this.#onChange = onChange;
		this.#onRemove = onRemove;
	}

	/** URLs that wait for somebody to log in. */
	get pendingURLs(): string[] {
		return [...this.#logins.keys()];
	}

	/** Somebody visited the URL and logged in. @returns false for an unknown URL */
	approveLogin(url: string, user: User = this.policy.defaultUser): boolean {
		const login = this.#logins.get(url);
		if (!login) return false;
		login.user = user;
		for (const wake of login.waiting) wake();
		return true;
	}

	/** The URL expires; held follow-ups get a new one. */
	replaceLogin(url: string): string | undefined {
		const login = this.#logins.get(url);
		if (!login) return;
		this.#logins.delete(url);
		login.replacedBy = this.#newLogin().url;
		for (const wake of login.waiting) wake();
		return login.replacedBy;
	}

	/**
	 * @param machineKey of the Noise session, hex
	 * @param gone settles when the client went away
	 */
	async answer(body: Record<string, unknown>, machineKey: string, gone: Promise<void>): Promise<Answer> {
		this.requests.push(body);
		const nodeKey = keyHex("nodekey", body["NodeKey"]);
		if (!nodeKey) return { Error: "node key is required" };
		const known = this.#nodes.byNodeKey(nodeKey);
		if (known && known.machineKey !== machineKey) return { Error: "node exists with a different machine key" };
		if (known && isPast(body["Expiry"])) return this.#logout(known);
		const key = (body["Auth"] as Record<string, unknown> | undefined)?.["AuthKey"];
		if (known && !isExpired(known)) {
			this.#adopt(known, body);
			return this.#success(known);
		}
		if (known && key === undefined && body["Followup"] === undefined) return { NodeKeyExpired: true, MachineAuthorized: false };
		if (typeof key === "string" && key !== "") return this.#byAuthKey(key, body, nodeKey, machineKey);
		if (typeof body["Followup"] === "string" && body["Followup"] !== "") return this.#followUp(body["Followup"], body, nodeKey, machineKey, gone);
		if (this.policy.withoutKey === "open") return this.#success(this.#admit(body, nodeKey, machineKey, {}));
		if (this.policy.withoutKey === "refuse") return { Error: "invalid authkey" };
		return { AuthURL: this.#newLogin().url, MachineAuthorized: false };
	}

	#byAuthKey(text: string, body: Record<string, unknown>, nodeKey: string, machineKey: string): Answer {
		const key = this.policy.authKeys.get(text);
		if (!key) return { Error: "invalid pre auth key" };
		if (key.expiresAt && key.expiresAt.getTime() <= Date.now()) return { Error: "authkey expired" };
		if (this.#used.has(text) && key.reusable !== true) return { Error: "authkey already used" };
		this.#used.add(text);
		return this.#success(this.#admit(body, nodeKey, machineKey, key));
	}

	async #followUp(url: string, body: Record<string, unknown>, nodeKey: string, machineKey: string, gone: Promise<void>): Promise<Answer> {
		const login = this.#logins.get(url);
		if (!login) return { AuthURL: this.#newLogin().url, MachineAuthorized: false };
		if (!login.user) {
			let wake = () => {};
			const woken = new Promise<void>((resolve) => {
				wake = resolve;
			});
			login.waiting.add(wake);
			await Promise.race([woken, gone]);
			login.waiting.delete(wake);
		}
		if (login.user) {
			this.#logins.delete(url);
			return this.#success(this.#admit(body, nodeKey, machineKey, { user: login.user }));
		}
		return { AuthURL: login.replacedBy ?? url, MachineAuthorized: false };
	}

	/** Makes the node, or gives the machine's node its new key. */
	#admit(body: Record<string, unknown>, nodeKey: string, machineKey: string, key: AuthKey): LabNode {
		const oldKey = keyHex("nodekey", body["OldNodeKey"]);
		let node = (oldKey ? this.#nodes.byNodeKey(oldKey) : undefined) ?? this.#nodes.byMachineKey(machineKey);
		if (node && node.machineKey !== machineKey) node = undefined;
		if (!node) {
			const hostinfo = (body["Hostinfo"] ?? {}) as Record<string, unknown>;
			node = this.#nodes.add({
				hostname: typeof hostinfo["Hostname"] === "string" ? hostinfo["Hostname"] : "node",
				user: key.user ?? this.policy.defaultUser,
				machineKey,
				authorized: !this.policy.needsApproval || key.preApproved === true,
			});
		}
		node.nodeKey = nodeKey;
		node.expired = false;
		node.keyExpiry = this.policy.keyLifeMS === undefined ? undefined : new Date(Date.now() + this.policy.keyLifeMS);
		node.ephemeral = body["Ephemeral"] === true || key.ephemeral === true;
		if (key.tags) node.tags = [...key.tags];
		this.#adopt(node, body);
		this.#onChange(node);
		return node;
	}

	#adopt(node: LabNode, body: Record<string, unknown>): void {
		if (typeof body["Version"] === "number") node.capVersion = body["Version"];
		if (body["Hostinfo"]) node.hostinfo = { ...node.hostinfo, ...(body["Hostinfo"] as Record<string, unknown>) };
	}

	#logout(node: LabNode): Answer {
		node.expired = true;
		node.keyExpiry = new Date(123000);
		if (node.ephemeral) this.#onRemove(node);
		else this.#onChange(node);
		return { NodeKeyExpired: true, MachineAuthorized: false };
	}

	#success(node: LabNode): Answer {
		const user = userJSON(node.user);
		return {
			User: user,
			Login: { ID: user["ID"], Provider: "lab", LoginName: node.user.login, DisplayName: node.user.name },
			NodeKeyExpired: false,
			MachineAuthorized: node.authorized,
			AuthURL: "",
		};
	}

	#newLogin(): PendingLogin {
		const token = randomBytes(12).toString("hex");
		const path = this.#nodes.habits === "headscale" ? `/register/hskey-authreq-${token}` : `/a/${token}`;
		const login: PendingLogin = { url: this.#baseURL() + path, user: undefined, waiting: new Set(), replacedBy: undefined };
		this.#logins.set(login.url, login);
		return login;
	}
}

function isPast(expiry: unknown): boolean {
	if (typeof expiry !== "string") return false;
	const time = Date.parse(expiry);
	return !Number.isNaN(time) && time > Date.parse("0001-01-02T00:00:00Z") && time <= Date.now();
}
