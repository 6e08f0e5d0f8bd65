/** Conversations of the SDK's classes with peers, by name, as commands of the machine interface: {"do":"converse","with":"mqtt", ...}. */

import { http, type Request } from "classes/http";
import { serve } from "classes/http-server";
import { type Conversation, mqtt } from "classes/mqtt";
import { dns, events, fetchPage, ntp, provide, secure, tls } from "classes/others";
import { TLSSocket } from "classes/sdk";
import { webSocket, webSocketClient } from "classes/websockets";
import type Tailnet from "tailnet";

type Fields = Record<string, unknown>;

interface Wanted extends Conversation {
	address: string;
	url: string;
	server: string;
	bytes: number;
	count: number;
	authority: string;
	isClosing: boolean;
	requests: Request[];
}

const conversations: Record<string, (tailnet: Tailnet, wanted: Wanted) => Fields | Promise<Fields>> = {
	async http(tailnet, { host, port, requests }) {
		return { answers: await http({ host, port, dns: { io: tailnet.Resolver }, socket: { io: tailnet.TCP } }, requests) };
	},
	async https(tailnet, { host, port, authority, requests }) {
		const socket = { io: TLSSocket, TCP: { io: tailnet.TCP }, secure: secure(host, authority) };
		return { answers: await http({ host, port, dns: { io: tailnet.Resolver }, socket }, requests) };
	},
	serve(tailnet, { port }) {
		serve(tailnet, port);
		return {};
	},
	async "websocket-client"(tailnet, { host, port, sizes, isClosing }) {
		return { story: await webSocketClient(tailnet, host, port, sizes, isClosing) };
	},
	async websocket(tailnet, { url }) {
		return { story: await webSocket(tailnet, url) };
	},
	async mqtt(tailnet, wanted) {
		return { story: await mqtt(tailnet, wanted) };
	},
	async tls(tailnet, { address, port, host, authority, bytes }) {
		return { received: await tls(tailnet, address, port, host, authority, bytes) };
	},
	async ntp(tailnet, { server }) {
		return { time: await ntp(tailnet, server) };
	},
	async dns(tailnet, { server, host }) {
		return { address: await dns(tailnet, server, host) };
	},
	async fetch(tailnet, { url, bytes }) {
		provide(tailnet);
		return fetchPage(url, bytes);
	},
	async events(tailnet, { url, count }) {
		provide(tailnet);
		return { events: await events(url, count) };
	},
};

export function converse(tailnet: Tailnet, fields: Fields): Fields | Promise<Fields> {
	const conversation = conversations[String(fields["with"])];
	if (!conversation) throw new Error(`with: no conversation called ${String(fields["with"])}`);
	return conversation(tailnet, fields as unknown as Wanted);
}
