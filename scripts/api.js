/**
 * The tables of documentation/api.md, made of the docstrings of modules/: `node scripts/api.js` writes them. A table stands between two marks, which say of what it is:
 *
 *   <!-- table: modules/tailnet.ts PeersChange -->
 *   <!-- end of table -->
 *
 * An interface or a class gives a line a public member; a union of texts a line a value, its comment standing behind it. A member without a docstring is an error. The documentation ring
 * fails when the tables are stale.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { isClassDeclaration, isInterfaceDeclaration, isTypeAliasDeclaration, isUnionTypeNode, SyntaxKind } from "typescript/unstable/ast";
import { API } from "typescript/unstable/sync";
import { root } from "./prepare.js";

export const apiFile = join(root, "documentation", "api.md");
const marks = /^<!-- table: (\S+) (\S+) -->$[\s\S]*?^<!-- end of table -->$/gm;

const textOf = (comment) => (typeof comment === "string" ? comment : [...(comment ?? [])].map(({ text }) => text).join("")).replace(/\s+/g, " ").trim();
const sentence = (text) => (text === "" || /[.:!?]$/.test(text) ? text : `${text}.`);
const inCell = (text) => text.replaceAll("|", "\\|");

/** Parameters that are there for a contract of others' alone begin with _; `this` is none. */
const isTold = (parameter) => parameter !== "this" && !parameter.startsWith("_");

/** What a docstring says, with its tags as sentences. */
function meaningOf(member) {
	const doc = member.jsDoc?.at(-1);
	if (!doc) return "";
	const said = [sentence(textOf(doc.comment))];
	for (const tag of doc.tags ?? []) {
		const text = textOf(tag.comment);
		if (tag.kind === SyntaxKind.JSDocParameterTag && isTold(tag.name.text)) said.push(`\`${tag.name.text}\`: ${sentence(text)}`);
		else if (tag.kind === SyntaxKind.JSDocReturnTag) said.push(`Gives ${sentence(text)}`);
		else if (tag.kind === SyntaxKind.JSDocThrowsTag) said.push(`Throws ${sentence(text)}`);
	}
	return said.filter((text) => text !== "").join(" ");
}

function defaultOf(member) {
	for (const doc of member.jsDoc ?? []) for (const tag of doc.tags ?? []) if (tag.tagName.text === "default") return `, ${textOf(tag.comment)}`;
	return "";
}

/** Of what a member is, "" for what gives nothing. */
function typeOf(member, source) {
	const { type } = member;
	if (!type || type.kind === SyntaxKind.VoidKeyword) return "";
	if (type.kind === SyntaxKind.ConstructorType) return "class";
	return `\`${source.text.slice(type.pos, type.end).replace(/\s+/g, " ").trim()}\``;
}

const has = (modifiers, kind) => [...(modifiers ?? [])].some((modifier) => modifier.kind === kind);

const isInternal = (docs) => [...(docs ?? [])].some(({ tags }) => [...(tags ?? [])].some(({ tagName }) => tagName.text === "internal"));

const isPublic = ({ kind, name, modifiers, jsDoc }) =>
	name?.kind === SyntaxKind.Identifier && kind !== SyntaxKind.SetAccessor && !has(modifiers, SyntaxKind.PrivateKeyword) && !isInternal(jsDoc);

const isMethod = ({ kind }) => kind === SyntaxKind.MethodDeclaration || kind === SyntaxKind.MethodSignature;

const parametersOf = (member) =>
	[...member.parameters]
		.map(({ name }) => name.text)
		.filter(isTold)
		.join(", ");

/** @returns lines of cells, the head first */
function rowsOfMembers(declaration, source) {
	const rows = [...declaration.members].filter(isPublic).map((member) => {
		const owner = has(member.modifiers, SyntaxKind.StaticKeyword) ? `${declaration.name.text}.` : "";
		const name = owner + (isMethod(member) ? `${member.name.text}(${parametersOf(member)})` : member.name.text);
		const meaning = meaningOf(member);
		if (meaning === "") throw new Error(`${relative(root, source.fileName)}: ${declaration.name.text}.${member.name.text} has no docstring`);
		return [`\`${name}\``, `${typeOf(member, source)}${defaultOf(member)}`, meaning];
	});
	if (rows.some(([, type]) => type !== "")) return [["Member", "Type, default", "Meaning"], ...rows];
	return [["Callback", "When"], ...rows.map(([name, , meaning]) => [name, meaning])];
}

function rowsOfUnion({ name, type }, source) {
	const rows = [...type.types].map((member) => {
		const { text } = member.literal;
		const comment = /^;?\s*\/\/ (.*)$/.exec(source.text.slice(member.end, source.text.indexOf("\n", member.end)))?.[1];
		if (!comment) throw new Error(`${relative(root, source.fileName)}: "${text}" of ${name.text} has no comment behind it`);
		return [`"${text}"`, comment.charAt(0).toUpperCase() + comment.slice(1)];
	});
	return [["Value", "Meaning"], ...rows];
}

function rowsOf(name, source) {
	for (const statement of source.statements) {
		if (statement.name?.text !== name) continue;
		if (isInterfaceDeclaration(statement) || isClassDeclaration(statement)) return rowsOfMembers(statement, source);
		if (isTypeAliasDeclaration(statement) && isUnionTypeNode(statement.type)) return rowsOfUnion(statement, source);
	}
	throw new Error(`${relative(root, source.fileName)} has no interface, class or union of texts called ${name}`);
}

function toMarkdown([head, ...rows]) {
	return [head, head.map(() => "---"), ...rows]
		.map((cells) => `| ${cells.map(inCell).join(" | ")} |`)
		.join("\n")
		.replace(/^\| (--- \| )+--- \|$/m, (line) => line.replaceAll(" ", ""));
}

/** @returns the text of api.md with its tables made anew. @throws {Error} for a member without a docstring, or a mark for what is not there */
export function withTables(text) {
	const api = new API({ cwd: root });
	try {
		const [project] = api.updateSnapshot({ openProject: join(root, "tsconfig.json") }).getProjects();
		return text.replace(marks, (_, file, name) => {
			const source = project.program.getSourceFile(join(root, file));
			if (!source) throw new Error(`documentation/api.md: there is no ${file}`);
			return `<!-- table: ${file} ${name} -->\n\n${toMarkdown(rowsOf(name, source))}\n\n<!-- end of table -->`;
		});
	} finally {
		api.close();
	}
}

if (process.argv[1] === import.meta.filename) writeFileSync(apiFile, withTables(readFileSync(apiFile, "utf8")));
