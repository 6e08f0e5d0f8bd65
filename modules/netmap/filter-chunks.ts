/**
 * The named lists of packet filter rules, staged and committed with the rest of a message, and linked into the block for the tunnel. See
 * protocol/filter.md §1.3 and §6; the compiler is filter-rules.ts, the linker filter-link.ts. Each chunk stays compiled, so that a delta compiles one.
 *
 *   PacketFilter            sets chunk "base", before all else
 *   PacketFilters "*": null  clears every chunk, that "base" too, wherever it stands; "*" with a list is ignored
 *   PacketFilters name       a list replaces the chunk, null deletes it
 *
 * What does not fit closes the filter (local networks stay, so that answers come in) and is a health condition until it is replaced. Lists
 * beyond the bounds are not kept: then only a clearing, or the next poll, opens the filter again.
 */
import { equalBytes } from "tailnet/host";
import { linkFilter } from "./filter-link.js";
import { type FilterChunk, FilterCompiler, type FilterProblem } from "./filter-rules.js";

const ALL = "*";
const BASE = "base";
const MOST_CHUNKS = 256;

export class FilterChunks {
	/** What the tunnel gets; undefined before the first map: block everything. */
	block: Uint8Array | undefined;
	/** Why the filter is closed. */
	problem: FilterProblem | undefined;
	/** Capability numbers that rules have asked for: the tunnel needs to know who has these. */
	readonly used = new Set<number>();
	/** Entries of rules that were dropped because they make no sense. */
	errorCount = 0;

	readonly #capabilities: { intern(name: string): number };
	readonly #budgetBytes: number;
	#chunks = new Map<string, FilterChunk>();
	#staged = new Map<string, FilterChunk | null>();
	#stagedBase: FilterChunk | undefined;
	#clears = false;
	#newlyUsed: number[] = [];
	#compiler: FilterCompiler | undefined;
	/** A part of the list being compiled did not fit the scanner's buffer. */
	#oversize = false;
	/** Lists were not kept, in the message at hand and since the last clearing. */
	#stagedLoss = false;
	#loss = false;

	/** @param capabilities gives names their numbers */
	constructor(capabilities: { intern(name: string): number }, budgetBytes: number) {
		this.#budgetBytes = budgetBytes;
		this.#capabilities = {
			intern: (name) => {
				const number = capabilities.intern(name);
				if (number >= 0 && !this.used.has(number)) this.#newlyUsed.push(number);
				return number;
			},
		};
	}

	/** Names of the chunks, for people and tests. */
	get names(): string[] {
		return Array.from(this.#chunks.keys()).sort();
	}

	/** Rules in a chunk; 0 for a name that is none. */
	matches(name: string): number {
		return this.#chunks.get(name)?.matches ?? 0;
	}

	/** Bytes of everything compiled. */
	get bytes(): number {
		return (this.block?.length ?? 0) + bytesOf(this.#chunks.values());
	}

	// ---- Staging ----

	/** A list of rules begins. @returns what takes its rules */
	beginList(): FilterCompiler {
		this.#oversize = false;
		this.#compiler = new FilterCompiler({ capabilities: this.#capabilities, budgetBytes: this.#budgetBytes });
		return this.#compiler;
	}

	/** The compiler of the list at hand, undefined outside of one. */
	get compiler(): FilterCompiler | undefined {
		return this.#compiler;
	}

	/** A part of the list at hand was too long to be read. */
	oversize(): void {
		this.#oversize = true;
	}

	/** The list is complete. @param name of the chunk in PacketFilters, undefined for PacketFilter */
	endList(name: string | undefined): void {
		if (this.#compiler === undefined) return;
		const compiled = this.#compiler.finish();
		this.#compiler = undefined;
		const text = "packet filter: an entry is longer than the working buffer";
		const chunk: FilterChunk = this.#oversize ? { ...compiled, problem: compiled.problem ?? { code: "too-large", text } } : compiled;
		if (name === ALL) return;
		const staged = [...this.#staged.values(), this.#stagedBase, chunk];
		if (this.#staged.size >= MOST_CHUNKS || bytesOf(staged) > this.#budgetBytes) this.#stagedLoss = true;
		else if (name === undefined) this.#stagedBase = chunk;
		else this.#staged.set(name, chunk);
	}

	/** A chunk is null. */
	deleteChunk(name: string): void {
		if (name === ALL) this.#clears = true;
		else if (this.#chunks.has(name) || this.#staged.has(name)) this.#staged.set(name, null);
	}

	/** @param replacing the first message of a poll: the table starts empty. @returns whether rules may be different */
	commit(replacing: boolean): boolean {
		const touched = replacing || this.#clears || this.#stagedBase !== undefined || this.#staged.size > 0 || this.#stagedLoss;
		if (!touched) return false;
		const chunks = replacing ? new Map<string, FilterChunk>() : this.#chunks;
		if (this.#stagedBase !== undefined) chunks.set(BASE, this.#stagedBase);
		if (this.#clears) chunks.clear();
		for (const [name, chunk] of this.#staged) {
			if (chunk === null) chunks.delete(name);
			else chunks.set(name, chunk);
		}
		for (const name of chunks.keys()) {
			if (chunks.size <= MOST_CHUNKS && bytesOf(chunks.values()) <= this.#budgetBytes) break;
			chunks.delete(name);
			this.#stagedLoss = true;
		}
		this.#chunks = chunks;
		this.#loss = this.#stagedLoss || (this.#loss && !replacing && !this.#clears);
		this.errorCount = 0;
		for (const chunk of chunks.values()) this.errorCount += chunk.errorCount;
		this.#clear();
		return true;
	}

	/** Capability numbers used for the first time since the last call. */
	takeNewlyUsed(): number[] {
		const numbers = this.#newlyUsed;
		this.#newlyUsed = [];
		for (const number of numbers) this.used.add(number);
		return numbers;
	}

	abort(): void {
		this.#newlyUsed = [];
		this.#clear();
	}

	#clear(): void {
		this.#staged = new Map();
		this.#stagedBase = undefined;
		this.#stagedLoss = false;
		this.#clears = false;
		this.#compiler = undefined;
	}

	/**
	 * Makes the block.
	 * @param localNets own addresses and advertised routes, as prefix texts
	 * @param unsignedPrefixes AllowedIPs of the peers that tailnet lock does not cover
	 * @returns whether block is another one now
	 */
	link(localNets: readonly string[], unsignedPrefixes: readonly string[]): boolean {
		const chunks = Array.from(this.#chunks.values());
		const linked = linkFilter(chunks, { localNets, unsignedPrefixes, budgetBytes: this.#budgetBytes });
		this.problem = linked.problem;
		if (this.#loss) this.problem ??= { code: "too-large", text: `packet filter: more than ${MOST_CHUNKS} named lists, or ${this.#budgetBytes} bytes of them` };
		const block = this.problem === linked.problem ? linked.block : linkFilter([], { localNets }).block;
		const changed = this.block === undefined || !equalBytes(block, this.block);
		this.block = block;
		return changed;
	}
}

function bytesOf(chunks: Iterable<FilterChunk | null | undefined>): number {
	let sum = 0;
	for (const chunk of chunks) sum += chunk?.block.length ?? 0;
	return sum;
}
