/** The app of the emulated board: a node that serves a page, and says to the harness what it sees. */
import { begin } from "device/node";

begin();
