/**
 * The file store: one folder (mode 0700), one file a value (mode 0600). A set writes a temporary file, flushes it, renames it over the old one and
 * flushes the folder: after a crash at any moment there is the old value or the new one. The folder is locked while it is open: two processes on one
 * state would be two nodes with one key.
 */
import { closeSync, constants, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HostError, Store } from "../../modules/host-contract.js";

const temporarySuffix = ".new";
const lockName = ".lock";

/** Locks a file. @returns a descriptor to close; -1: somebody else has it; below that: it cannot be locked */
export type LockFile = (path: string) => number;

function failure(error: unknown, what: string): HostError {
	return { code: "io", message: `${what}: ${(error as NodeJS.ErrnoException).code ?? String(error)}` };
}

function flushFolder(folder: string): void {
	const descriptor = openSync(folder, constants.O_RDONLY);
	try {
		fsyncSync(descriptor);
	} finally {
		closeSync(descriptor);
	}
}

class FileStore implements Store {
	readonly #folder: string;
	/** Descriptor of the lock, below 0: none. */
	#lock: number;

	constructor(folder: string, lockFile: LockFile) {
		this.#folder = folder;
		try {
			mkdirSync(folder, { recursive: true, mode: 0o700 });
		} catch (error) {
			throw failure(error, "the state folder cannot be used");
		}
		this.#lock = lockFile(join(folder, lockName));
		if (this.#lock === -1) throw { code: "io", message: "the state folder is in use by another node" } satisfies HostError;
		try {
			for (const name of readdirSync(folder)) if (name.endsWith(temporarySuffix)) rmSync(join(folder, name), { force: true });
		} catch (error) {
			this.close();
			throw failure(error, "the state folder cannot be used");
		}
	}

	get(key: string): Uint8Array | undefined {
		try {
			return new Uint8Array(readFileSync(this.#path(key)));
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
			throw failure(error, "the state cannot be read");
		}
	}

	set(key: string, value: Uint8Array): void {
		const path = this.#path(key);
		const temporary = path + temporarySuffix;
		try {
			const descriptor = openSync(temporary, "w", 0o600);
			try {
				writeFileSync(descriptor, value);
				fsyncSync(descriptor);
			} finally {
				closeSync(descriptor);
			}
			renameSync(temporary, path);
			flushFolder(this.#folder);
		} catch (error) {
			throw failure(error, "the state cannot be written");
		}
	}

	delete(key: string): void {
		try {
			rmSync(this.#path(key), { force: true });
			flushFolder(this.#folder);
		} catch (error) {
			throw failure(error, "the state cannot be written");
		}
	}

	close(): void {
		if (this.#lock >= 0) closeSync(this.#lock);
		this.#lock = -1;
	}

	#path(key: string): string {
		if (!/^[A-Za-z0-9-]{1,64}$/.test(key)) throw failure(new Error("bad key"), "the state cannot be read");
		return join(this.#folder, key);
	}
}

class MemoryStore implements Store {
	readonly #values = new Map<string, Uint8Array>();

	get(key: string): Uint8Array | undefined {
		return this.#values.get(key)?.slice();
	}

	set(key: string, value: Uint8Array): void {
		this.#values.set(key, value.slice());
	}

	delete(key: string): void {
		this.#values.delete(key);
	}
}

/** @param name a folder; without one the values live as long as the process */
export function openStore(name: string | undefined, lockFile: LockFile = () => -2): Store {
	return name === undefined ? new MemoryStore() : new FileStore(name, lockFile);
}
