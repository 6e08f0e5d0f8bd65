/** All of the contract of the bound socket classes. */
import { otherCases } from "./others.js";
import type { Case } from "./place.js";
import { streamCases } from "./streams.js";
import { tcpCases } from "./tcp.js";

export const cases: Case[] = [...tcpCases, ...streamCases, ...otherCases];
