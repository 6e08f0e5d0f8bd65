/**
 * Checks of vector files, one for each vector. The unit tests run them on the committed files, scripts/vectors.js on any file of the same form: so a
 * check takes nothing for granted but the form, and a section that is not there has no checks.
 */
export interface Check {
	readonly name: string;
	run(): void | Promise<void>;
}

/** A check for each entry of a section. */
export function each<T>(section: readonly T[] | undefined, nameOf: (entry: T, index: number) => string, run: (entry: T) => void | Promise<void>): Check[] {
	return (section ?? []).map((entry, index) => ({ name: nameOf(entry, index), run: () => run(entry) }));
}

/** One check of a section that is no list. */
export function one<T>(section: T | undefined, name: string, run: (section: T) => void | Promise<void>): Check[] {
	return section === undefined ? [] : [{ name, run: () => run(section) }];
}
